"""Identities of TIES and DARE: trimming, election, dropping; in both precisions."""

from __future__ import annotations

import hashlib

import pytest
import torch
from small_updates import BOTH_PRECISIONS, TOLERANCE, mean, tasks, total
from synthetic import SITE, attack, dense, distance, merge, problem

from attacks.parts import sparsification
from attacks.parts.sparsification import TOP_K_GRID, drop_and_rescale, trim_thresholds
from mergebench.contracts import Site
from mergebench.updates.update import Dense

pytestmark = BOTH_PRECISIONS


def test_ties_of_equal_signs_without_trimming_is_the_mean(dtype: torch.dtype) -> None:
    changes = [Dense(delta=change.delta.abs()) for change in dense((9, 11), 5, dtype=dtype)]
    assert distance(merge(changes, "ties", top_k=100.0), mean(changes)) < TOLERANCE[dtype]


@pytest.mark.parametrize("top_k", [100.0, 30.0])
def test_ties_of_copies_is_the_trimmed_update(dtype: torch.dtype, top_k: float) -> None:
    update = dense((9, 11), 1, dtype=dtype)[0]
    row = update.delta.reshape(1, -1)
    trimmed = sparsification.trimming(trim_thresholds(row, [top_k])[0])(row).reshape(9, 11)
    assert distance(merge([update] * 4, "ties", top_k=top_k), trimmed) < TOLERANCE[dtype]


@pytest.mark.parametrize("top_k", TOP_K_GRID[1:])
def test_trimming_keeps_one_more_than_the_rounded_count(dtype: torch.dtype, top_k: float) -> None:
    row = dense((1, 997), 1, dtype=dtype)[0].delta
    threshold = trim_thresholds(row, [top_k])[0]
    count = int(997 * (top_k / 100))
    assert int(sparsification.trimming(threshold)(row).count_nonzero()) == count + 1
    assert int(sparsification.trimming(threshold, inclusive=False)(row).count_nonzero()) == count


def test_trimming_always_keeps_the_largest_entry(dtype: torch.dtype) -> None:
    row = torch.tensor([[0.5, -2.0, 1.0]], dtype=dtype)
    kept = sparsification.trimming(trim_thresholds(row, [10.0])[0])(row)
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
