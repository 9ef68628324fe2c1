"""Identities of regions: Localize-and-Stitch, RAM, and what TIES trims of the whole model."""

from __future__ import annotations

import pytest
import torch
from small_updates import BOTH_PRECISIONS, TOLERANCE, mean, total
from synthetic import attack, dense, distance, low_rank, merge

from attacks.parts.consensus import consensus
from attacks.parts.regions import largest_beyond, largest_from
from attacks.parts.sparsification import trim_thresholds, trimming
from mergebench.contracts import Site, Space
from mergebench.errors import InputError, PluginError
from mergebench.merging import MergeProblem
from mergebench.registry import registry
from mergebench.updates import Dense, Update

pytestmark = BOTH_PRECISIONS

SCOPES = ("layer", "global")


def disjoint(dtype: torch.dtype, count: int = 3) -> list[Dense]:
    """Return updates of which each changes columns of its own."""
    found = []
    for place, change in enumerate(dense((6, 4 * count), count, dtype=dtype)):
        delta = torch.zeros_like(change.delta)
        own = slice(4 * place, 4 * place + 4)
        delta[:, own] = change.delta[:, own]
        found.append(Dense(delta=delta))
    return found


@pytest.mark.parametrize("name", ["ram", "localize_and_stitch"])
def test_what_one_update_alone_touches_enters_at_1(dtype: torch.dtype, name: str) -> None:
    changes = disjoint(dtype)
    options = {"top_k": 100.0} if name == "localize_and_stitch" else {"epsilon": 0.0}
    assert torch.equal(merge(changes, name, **options).double(), total(changes))


@pytest.mark.parametrize("space", ["full", "core"])
@pytest.mark.parametrize("name", ["ram", "localize_and_stitch"])
def test_what_all_touch_is_averaged(dtype: torch.dtype, name: str, space: str) -> None:
    changes = low_rank(6, 12, [2, 3, 1], dtype=dtype)
    options = {"top_k": 100.0} if name == "localize_and_stitch" else {"epsilon": 0.0}
    assert distance(merge(changes, name, space, **options), mean(changes)) < TOLERANCE[dtype]


def test_ram_entry_by_entry(dtype: torch.dtype) -> None:
    rows = [[[4.0, 2.0, 1e-6, 0.0]], [[1e-6, 4.0, 1e-6, -3.0]]]
    changes = [Dense(delta=torch.tensor(row, dtype=dtype)) for row in rows]
    assert merge(changes, "ram").tolist() == [[4.0, 3.0, 0.0, -3.0]]
    assert merge(changes, "ram", epsilon=2.5).tolist() == [[4.0, 4.0, 0.0, -3.0]]


def model(dtype: torch.dtype) -> list[Update]:
    """Return updates of two sites and a bias, the first site's being ten times as large."""
    shapes, scales = {"one": (5, 8), "two": (10, 14), "bias": (20,)}, (10.0, 1.0, 1.0)
    stacks = [dense(shape, 3, seed=seed, dtype=dtype) for seed, shape in enumerate(shapes.values())]
    return [
        Update(
            sites={
                site: stack[task].scaled(scale)
                for site, stack, scale in zip(shapes, stacks, scales, strict=True)
            }
        )
        for task in range(3)
    ]


def test_the_largest_entries_are_those_of_the_whole_model(dtype: torch.dtype) -> None:
    given = model(dtype)
    problem = MergeProblem(given, space=registry().get(Space, "full")())
    found = problem.merge(attack("localize_and_stitch", top_k=15.0))
    whole = torch.stack(
        [torch.cat([one.dense().flatten() for one in update.sites.values()]) for update in given]
    )
    masks = torch.zeros_like(whole).scatter(1, whole.abs().topk(30, dim=1).indices, 1)  # of 200
    expected = (masks * whole).sum(0) / masks.sum(0).clamp(min=1)
    assert torch.equal(torch.cat([one.dense().flatten() for one in found.sites.values()]), expected)
    counts = [int(change.dense().count_nonzero()) for change in found.sites.values()]
    assert counts[0] > 35 > counts[1]  # nearly all of the large site


@pytest.mark.parametrize("top_k", [2.0, 15.0, 80.0, 100.0])
def test_ties_trims_the_whole_model_if_asked(dtype: torch.dtype, top_k: float) -> None:
    given = model(dtype)
    problem = MergeProblem(given, space=registry().get(Space, "full")())
    found = problem.merge(attack("ties", top_k=top_k, scope="global"))
    own = problem.merge(attack("ties", top_k=top_k))
    assert (found.sha256 == own.sha256) == (top_k == 100)
    whole = torch.stack(
        [torch.cat([one.dense().flatten() for one in update.sites.values()]) for update in given]
    )
    thresholds = trim_thresholds(whole, [top_k])[0]
    expected = consensus(whole, trimming(thresholds), "mean")
    assert torch.equal(torch.cat([one.dense().flatten() for one in found.sites.values()]), expected)


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("space", ["full", "core", "knots"])
def test_of_one_site_both_scopes_of_ties_are_one(
    dtype: torch.dtype, space: str, inclusive: bool
) -> None:
    changes = low_rank(20, 24, [3, 2, 4], dtype=dtype)
    options = {"top_k": 35.0, "inclusive": inclusive}
    layer, whole = (merge(changes, "ties", space, scope=one, **options) for one in SCOPES)
    assert torch.equal(layer, whole)


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("top_k", [7.0, 60.0, 100.0])
def test_sites_in_several_dtypes_are_trimmed_where_one_would_be(
    dtype: torch.dtype, top_k: float, inclusive: bool
) -> None:
    """Also where the threshold, of the wider dtype, is an entry of the narrower one or is none."""
    single = torch.stack([change.delta.float() for change in dense((30, 5), 2)])
    double = torch.stack([change.delta for change in dense((30, 5), 2, seed=1)])
    rows = torch.cat([single.double(), double], dim=1).flatten(start_dim=1)
    expected = trimming(trim_thresholds(rows, [top_k])[0], inclusive=inclusive)(rows)
    thresholds = largest_beyond(lambda: iter([single, double]), top_k)
    keep = trimming(thresholds, inclusive=inclusive)
    found = [keep(stack.flatten(start_dim=1)).double() for stack in (single, double)]
    assert torch.equal(torch.cat(found, dim=1), expected)


def test_one_update_is_cut_to_its_largest_entries(dtype: torch.dtype) -> None:
    change = dense((10, 20), 1, dtype=dtype)[0]
    found = merge([change], "localize_and_stitch")
    assert int(found.count_nonzero()) == 20
    kept = found != 0
    assert torch.equal(found[kept], change.delta[kept])
    assert change.delta[kept].abs().min() > change.delta[~kept].abs().max()


def test_thresholds_do_not_depend_on_how_entries_are_spread_over_sites(dtype: torch.dtype) -> None:
    stack = torch.stack([change.delta for change in dense((30, 10), 2, dtype=dtype)])
    whole = largest_from(lambda: iter([stack]), 7.0)
    parts = largest_from(lambda: iter(stack.split([1, 20, 9], dim=1)), 7.0)
    assert torch.equal(whole, parts)


@pytest.mark.parametrize("top_k", [0.1, 7.0, 60.0])
def test_thresholds_of_sites_in_several_dtypes_are_those_of_one(
    dtype: torch.dtype, top_k: float
) -> None:
    stack = torch.stack([change.delta.float() for change in dense((30, 10), 2)])
    rows = stack.flatten(start_dim=1).double()
    expected = rows.abs().sort(descending=True).values[:, max(1, int(300 * (top_k / 100))) - 1]
    other = torch.float64 if dtype == torch.float32 else torch.float32
    parts = (stack[:, :12].to(dtype), stack[:, 12:20].to(other), stack[:, 20:].to(dtype))
    assert torch.equal(largest_from(lambda: iter(parts), top_k).double(), expected)


@pytest.mark.parametrize("top_k", [0.1, 7.0, 60.0, 90.0, 100.0])
def test_thresholds_are_those_of_sorting_also_among_equal_entries(
    dtype: torch.dtype, top_k: float
) -> None:
    """Many entries are zero, and the others have few magnitudes, some of them subnormal."""
    values = torch.tensor([0.0, -0.0, 1e-40, -1e-3, 0.5, -0.5, 3e30], dtype=dtype)
    draws = torch.randint(len(values), (2, 30, 10), generator=torch.Generator().manual_seed(0))
    stack = values[draws]
    largest = stack.abs().flatten(start_dim=1).sort(dim=1, descending=True).values
    expected = largest[:, max(1, int(300 * (top_k / 100))) - 1]
    assert torch.equal(largest_from(lambda: iter(stack.split([1, 29], dim=1)), top_k), expected)


def test_a_site_of_no_model_is_named(dtype: torch.dtype) -> None:
    stack = torch.ones(2, 3, 4, dtype=dtype)
    with pytest.raises(PluginError, match="site fc1 is no part of a model"):
        attack("localize_and_stitch")(stack, Site(name="fc1", shape=(3, 4)))


def test_wrong_options_are_refused(dtype: torch.dtype) -> None:
    with pytest.raises(InputError, match=r"top_k is 0; give a percentage from 1 to 100"):
        attack("localize_and_stitch", top_k=0.0)
    with pytest.raises(InputError, match=r"scope .*layer, global"):
        attack("ties", scope="model")
    with pytest.raises(InputError, match=r"epsilon is -1\.0; give a number from 0"):
        attack("ram", epsilon=-1.0)
