"""Identities that the data-free rules and the merging spaces satisfy, in both precisions."""

from __future__ import annotations

import hashlib

import pytest
import torch
from synthetic import SITE, as_updates, attack, dense, distance, low_rank, merge, problem
from torch import Tensor

from attacks.spaces.core import Core
from attacks.spaces.knots import KnOTS
from attacks.sparsification import TOP_K_GRID, drop_and_rescale, trim, trim_thresholds
from mergebench.contracts import Site
from mergebench.merging import MergeProblem
from mergebench.merging import merge as merge_updates
from mergebench.update import Dense, LowRank

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}
SPACES = ("full", "knots", "core")
RULES = ("ta", "ties", "dare", "dare_ties", "tsv", "cart")

pytestmark = pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32], ids=["float64", "float32"]
)


def tasks(dtype: torch.dtype, count: int = 4, seed: int = 0) -> list[LowRank]:
    return low_rank(40, 48, [4] * count, seed=seed, dtype=dtype)


def total(changes: list[LowRank] | list[Dense]) -> Tensor:
    return torch.stack([change.dense().double() for change in changes]).sum(dim=0)


def mean(changes: list[LowRank] | list[Dense]) -> Tensor:
    return total(changes) / len(changes)


# Spaces


def test_task_arithmetic_is_the_same_sum_in_every_space(dtype: torch.dtype) -> None:
    changes = tasks(dtype)
    for space in SPACES:
        assert distance(merge(changes, "ta", space), total(changes)) < TOLERANCE[dtype]


def test_dense_and_low_rank_knots_agree_up_to_signs(dtype: torch.dtype) -> None:
    changes = tasks(dtype)
    products = [Dense(delta=change.dense()) for change in changes]
    fast = KnOTS().encode(changes, rotation_invariant=False)
    slow = KnOTS().encode(products, rotation_invariant=False)
    assert fast.shape == slow.shape == (16, 48)
    assert fast.left is not None
    assert slow.left is not None
    assert distance(fast.left.abs(), slow.left.abs()) < TOLERANCE[dtype]
    assert distance(fast.stack.abs(), slow.stack.abs()) < TOLERANCE[dtype]


@pytest.mark.parametrize("space", [KnOTS(), Core()], ids=["knots", "core"])
def test_ties_does_not_see_the_signs_of_basis_vectors(
    dtype: torch.dtype, space: KnOTS | Core
) -> None:
    encoded = space.encode(tasks(dtype), rotation_invariant=False)
    flips = torch.where(torch.arange(encoded.stack.shape[1]) % 3 == 0, -1, 1)[:, None]
    plain = attack("ties").combine(encoded.stack, Site(name="plain", shape=encoded.shape))
    flipped = attack("ties").combine(encoded.stack * flips, Site(name="f", shape=encoded.shape))
    assert torch.equal(flipped * flips, plain)


def test_core_ties_depends_on_the_basis(dtype: torch.dtype) -> None:
    encoded = Core().encode(tasks(dtype), rotation_invariant=False)
    rotation = torch.linalg.qr(dense((16, 16), 1)[0].delta)[0]
    plain = attack("ties").combine(encoded.stack, Site(name="plain", shape=encoded.shape))
    turned = attack("ties").combine(rotation @ encoded.stack, Site(name="t", shape=encoded.shape))
    assert distance(rotation.T @ turned, plain) > 0.1


def test_folding_singular_values_into_knots_changes_only_the_trimming(dtype: torch.dtype) -> None:
    given = as_updates(tasks(dtype))

    def merged(fold: bool, top_k: float) -> Tensor:
        space = KnOTS(fold_singular_values=fold)
        return merge_updates(attack("ties", top_k=top_k), given, space=space).sites[SITE].dense()

    assert distance(merged(True, 100.0), merged(False, 100.0)) < TOLERANCE[dtype]
    assert distance(merged(True, 30.0), merged(False, 30.0)) > 0.1


def test_the_absolute_knots_threshold_drops_tiny_updates(dtype: torch.dtype) -> None:
    tiny = as_updates([change.scaled(1e-8) for change in tasks(dtype)])
    absolute = merge_updates(attack("ta"), tiny, space=KnOTS())
    relative = merge_updates(attack("ta"), tiny, space=KnOTS(threshold=1e-6, relative=True))
    assert absolute.norm() == 0
    assert distance(relative.sites[SITE].dense(), total(tasks(dtype)) * 1e-8) < TOLERANCE[dtype]


# TIES and DARE


def test_ties_of_equal_signs_without_trimming_is_the_mean(dtype: torch.dtype) -> None:
    changes = [Dense(delta=change.delta.abs()) for change in dense((9, 11), 5, dtype=dtype)]
    assert distance(merge(changes, "ties", top_k=100.0), mean(changes)) < TOLERANCE[dtype]


@pytest.mark.parametrize("top_k", [100.0, 30.0])
def test_ties_of_copies_is_the_trimmed_update(dtype: torch.dtype, top_k: float) -> None:
    update = dense((9, 11), 1, dtype=dtype)[0]
    row = update.delta.reshape(1, -1)
    trimmed = trim(row, trim_thresholds(row, [top_k])[0]).reshape(9, 11)
    assert distance(merge([update] * 4, "ties", top_k=top_k), trimmed) < TOLERANCE[dtype]


@pytest.mark.parametrize("top_k", TOP_K_GRID[1:])
def test_trimming_keeps_one_more_than_the_rounded_count(dtype: torch.dtype, top_k: float) -> None:
    row = dense((1, 997), 1, dtype=dtype)[0].delta
    threshold = trim_thresholds(row, [top_k])[0]
    count = int(997 * (top_k / 100))
    assert int(trim(row, threshold).count_nonzero()) == count + 1
    assert int(trim(row, threshold, inclusive=False).count_nonzero()) == count


def test_trimming_always_keeps_the_largest_entry(dtype: torch.dtype) -> None:
    row = torch.tensor([[0.5, -2.0, 1.0]], dtype=dtype)
    kept = trim(row, trim_thresholds(row, [10.0])[0])
    assert kept.tolist() == [[0.0, -2.0, 0.0]]


def test_entries_whose_sum_is_zero_take_the_sign_of_the_majority(dtype: torch.dtype) -> None:
    def merged(*rows: list[float]) -> list[float]:
        return merge(
            [Dense(delta=torch.tensor(row, dtype=dtype)) for row in rows], "ties", top_k=100.0
        ).tolist()

    assert merged([1.0, 2.0], [-1.0, 2.0]) == [1.0, 2.0]
    assert merged([1.0, -2.0], [-1.0, -2.0]) == [-1.0, -2.0]
    assert merged([1.0, 0.0], [-1.0, 0.0]) == [-1.0, 0.0], "no majority: the negative branch"


def test_dare_is_unbiased_with_the_stated_variance(dtype: torch.dtype) -> None:
    stack = torch.full((1, 400, 500), 2.0, dtype=dtype)
    dropped = drop_and_rescale(stack, 0.8, Site(name="fc1", shape=(400, 500))).double()
    # 200,000 draws: four standard errors are 0.036 for the mean, 0.22 for the variance.
    assert abs(float(dropped.mean()) - 2.0) < 0.036
    assert abs(float(dropped.var()) - 4 * 0.8 / 0.2) < 0.22


def test_dare_without_dropping_is_the_plain_rule(dtype: torch.dtype) -> None:
    changes = tasks(dtype)
    assert torch.equal(merge(changes, "dare_ties", drop=0.0), merge(changes, "ties"))
    assert distance(merge(changes, "dare", drop=0.0), total(changes)) < TOLERANCE[dtype]
    # At 1e-7 an entry of 7680 is dropped with probability 0.0008; this seed drops none.
    assert distance(merge(changes, "dare", drop=1e-7), total(changes)) < 1e-6


def test_what_a_larger_drop_keeps_is_a_subset(dtype: torch.dtype) -> None:
    stack = torch.ones((3, 30, 40), dtype=dtype)
    site = Site(name="fc1", shape=(30, 40))
    kept = [drop_and_rescale(stack, drop, site) != 0 for drop in (0.1, 0.5, 0.9)]
    assert bool((kept[2] <= kept[1]).all())
    assert bool((kept[1] <= kept[0]).all())


def test_dare_depends_on_the_seed_and_on_the_order_of_tasks(dtype: torch.dtype) -> None:
    changes, rule = tasks(dtype), attack("dare", drop=0.5)
    plain = problem(changes).merge(rule).sites[SITE].dense()
    assert distance(problem(changes, seed=1).merge(rule).sites[SITE].dense(), plain) > 0.1
    assert distance(problem(changes[::-1]).merge(rule).sites[SITE].dense(), plain) > 0.1


def test_dare_draws_from_its_seed_task_and_site_alone(dtype: torch.dtype) -> None:
    """The derivation of the seed is written out: another one gives masks like these, not these."""
    ones = torch.ones((9, 11), dtype=dtype)
    changes = [Dense(delta=ones), Dense(delta=10 * ones)]
    merged = problem(changes, seed=7).merge(attack("dare", drop=0.5)).sites[SITE].dense()
    expected = torch.zeros_like(ones)
    for task, size in enumerate((1, 10)):
        text = f"7\x1f'dare'\x1f{task}\x1f'{SITE}'"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
        draws = torch.rand(9, 11, generator=torch.Generator().manual_seed(seed))
        expected += 2 * size * (draws > 0.5)
    assert torch.equal(merged, expected)


def test_trimming_does_nothing_after_much_was_dropped(dtype: torch.dtype) -> None:
    changes = tasks(dtype)
    trimmed = merge(changes, "dare_ties", drop=0.9, top_k=30.0)
    assert torch.equal(trimmed, merge(changes, "dare_ties", drop=0.9, top_k=100.0))


# TSV


@pytest.mark.parametrize("space", SPACES)
def test_tsv_of_one_update_returns_it(dtype: torch.dtype, space: str) -> None:
    changes = tasks(dtype, count=1)
    assert distance(merge(changes, "tsv", space), total(changes)) < TOLERANCE[dtype]


def test_tsv_of_orthogonal_tasks_is_task_arithmetic(dtype: torch.dtype) -> None:
    left = torch.linalg.qr(dense((40, 16), 1, seed=1)[0].delta)[0]
    right = torch.linalg.qr(dense((48, 16), 1, seed=2)[0].delta)[0].T
    blocks = torch.arange(16).split(4)
    scales = torch.linspace(1, 2, 4, dtype=torch.float64)
    changes = [
        LowRank(up=(left[:, block] * scales).to(dtype), down=right[block].to(dtype))
        for block in blocks
    ]
    assert distance(merge(changes, "tsv"), total(changes)) < TOLERANCE[dtype]


def test_tsv_keeps_the_singular_values(dtype: torch.dtype) -> None:
    changes = tasks(dtype)
    values = torch.cat([torch.linalg.svdvals(change.dense().double())[:4] for change in changes])
    merged = torch.linalg.svdvals(merge(changes, "tsv").double())[: len(values)]
    assert distance(merged, values.sort(descending=True).values) < TOLERANCE[dtype]
    assert distance(merged.square().sum(), values.square().sum()) < TOLERANCE[dtype]


@pytest.mark.parametrize("rows", [40, 14], ids=["compact", "more factors than outputs"])
def test_rank_aware_tsv_is_the_same_in_full_and_core(dtype: torch.dtype, rows: int) -> None:
    changes = low_rank(rows, 48, [3] * 6, dtype=dtype)
    full, core = merge(changes, "tsv"), merge(changes, "tsv", "core")
    assert distance(full, core) < TOLERANCE[dtype]


def test_reference_tsv_in_full_space_depends_on_rounding(dtype: torch.dtype) -> None:
    changes = tasks(dtype)
    noise = dense((40, 48), 4, seed=9)
    noisy = [
        Dense(delta=(change.dense().double() + 1e-9 * each.delta).to(dtype).double())
        for change, each in zip(changes, noise, strict=True)
    ]
    exact = [Dense(delta=change.up.double() @ change.down.double()) for change in changes]
    reference = merge(exact, "tsv", rank_mode="reference")
    disturbed = merge(noisy, "tsv", rank_mode="reference")
    cosine = torch.cosine_similarity(reference.flatten(), disturbed.flatten(), dim=0)
    assert float(cosine) < 0.9
    assert distance(merge(exact, "tsv"), reference) > 0.1


# CART


def test_cart_of_equal_rank_is_the_same_in_full_and_core(dtype: torch.dtype) -> None:
    changes = tasks(dtype)
    # Three components of K = 40 outputs, and of K = 16 core directions.
    full = merge(changes, "cart", rank_fraction=2.5 / 40)
    core = merge(changes, "cart", "core", rank_fraction=2.5 / 16)
    assert distance(full, core) < TOLERANCE[dtype]


@pytest.mark.parametrize("space", SPACES)
def test_cart_without_truncation_or_low_rank_part_is_the_mean(
    dtype: torch.dtype, space: str
) -> None:
    changes = tasks(dtype)
    whole = merge(changes, "cart", space, rank_fraction=1.0, inner=0.7)
    bare = merge(changes, "cart", space, inner=0.0)
    assert distance(whole, mean(changes)) < TOLERANCE[dtype]
    assert distance(bare, mean(changes)) < TOLERANCE[dtype]


def test_cart_in_full_space_is_the_mean_once_the_rank_covers_all_factors(
    dtype: torch.dtype,
) -> None:
    changes = tasks(dtype)
    assert distance(merge(changes, "cart", rank_fraction=0.5), mean(changes)) < TOLERANCE[dtype]


def test_cart_of_copies_is_the_update(dtype: torch.dtype) -> None:
    update = tasks(dtype, count=1)[0]
    for space in SPACES:
        assert distance(merge([update] * 4, "cart", space), update.dense()) < TOLERANCE[dtype]


# All rules


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", RULES)
def test_scaling_the_updates_scales_the_merge(dtype: torch.dtype, name: str, space: str) -> None:
    changes = tasks(dtype)
    scaled = merge([change.scaled(2.5) for change in changes], name, space)
    assert distance(scaled, 2.5 * merge(changes, name, space)) < TOLERANCE[dtype]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", ["ta", "ties", "tsv", "cart"])
def test_the_order_of_tasks_does_not_matter(dtype: torch.dtype, name: str, space: str) -> None:
    changes = tasks(dtype)
    shuffled = [changes[index] for index in (2, 0, 3, 1)]
    found = merge(shuffled, name, space)
    assert distance(found, merge(changes, name, space)) < TOLERANCE[dtype]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", RULES)
def test_equal_coefficients_scale_the_merge(dtype: torch.dtype, name: str, space: str) -> None:
    given = as_updates(tasks(dtype))
    kind = type(problem(tasks(dtype), space).space)()
    plain = merge_updates(attack(name), given, space=kind).sites[SITE].dense()
    halved = (
        merge_updates(attack(name), given, space=kind, coefficients=[0.5] * 4).sites[SITE].dense()
    )
    assert distance(halved, 0.5 * plain) < TOLERANCE[dtype]


def test_unequal_coefficients_act_before_the_rule(dtype: torch.dtype) -> None:
    changes, coefficients = tasks(dtype), [1.0, 0.5, 0.25, 2.0]
    weighted = [c.scaled(factor) for c, factor in zip(changes, coefficients, strict=True)]
    space = problem(changes).space
    for name in RULES:
        found = MergeProblem(as_updates(changes), space=space, coefficients=coefficients)
        merged = found.merge(attack(name)).sites[SITE].dense()
        assert distance(merged, merge(weighted, name)) < TOLERANCE[dtype]
