"""TIES, DARE, TSV and RegMean against fusion-bench (extra `parity`)."""

from __future__ import annotations

import pytest
import torch
from public_conventions import (
    SHAPE,
    TRIMMED,
    draw_our_numbers,
    fusion,
    ours,
    small_integers,
    tensors,
)
from small_tower import (
    changes,
    full_updates,
    linear_inputs,
    parameters,
    small_backbone,
    tasks_of,
)
from synthetic import dense, distance
from torch import Tensor

from attacks.regmean import RegMean
from mergebench.contracts import MergeData, Merger, Space
from mergebench.merging import MergeProblem
from mergebench.registry import registry
from mergebench.updates import Dense, Update


@pytest.fixture
def our_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_our_numbers(monkeypatch)


# fusion-bench: k + 1 entries and the majority, as here; trims over the whole flattened model.


@pytest.mark.parametrize("top_k", TRIMMED)  # it cannot keep all: a 0-th smallest is asked for
@pytest.mark.parametrize("aggregation", ["mean", "sum"])
def test_fusion_bench_ties(top_k: float, aggregation: str) -> None:
    rule, given = fusion("ties_merging.ties_merging_utils").ties_merging, tensors()
    rows = torch.stack(given).flatten(start_dim=1)
    theirs = rule(rows, reset_thresh=top_k, merge_func=aggregation).reshape(SHAPE)
    assert torch.equal(ours("ties", given, top_k=top_k, aggregation=aggregation), theirs)


@pytest.mark.parametrize("lean", [-1, 0, 1])
def test_fusion_bench_follows_the_majority_where_values_cancel(lean: int) -> None:
    """Magnitudes tie as well: both keep all that reach the threshold."""
    rule, given = fusion("ties_merging.ties_merging_utils").ties_merging, small_integers(lean)
    rows = torch.stack(given).flatten(start_dim=1)
    theirs = rule(rows, reset_thresh=50, merge_func="mean")
    assert torch.equal(ours("ties", given, top_k=50.0).flatten(), theirs)


@pytest.mark.parametrize("top_k", TRIMMED)
def test_fusion_bench_trims_all_sites_together(top_k: float) -> None:
    """As we do if asked; its sums of longer rows are rounded otherwise."""
    rule = fusion("ties_merging.ties_merging_utils").ties_merging
    sites = {"small": tensors(seed=1), "large": [10 * each for each in tensors(seed=3)]}
    rows = torch.stack([torch.cat(pair) for pair in zip(*sites.values(), strict=True)])
    rows = rows.flatten(start_dim=1)
    theirs = rule(rows, reset_thresh=top_k, merge_func="sum")
    given = [
        Update(sites={name: Dense(delta=own[task]) for name, own in sites.items()})
        for task in range(len(rows))
    ]
    problem = MergeProblem(given, space=registry().get(Space, "full")())

    def of_scope(scope: str) -> Tensor:
        options = {"top_k": top_k, "aggregation": "sum", "scope": scope}
        merged = problem.merge(registry().get(Merger, "ties")(**options))
        return torch.cat([merged.sites[name].dense().flatten() for name in sites])

    whole = of_scope("global")
    assert torch.equal(whole != 0, theirs != 0)
    assert distance(whole, theirs) < 1e-6
    assert distance(of_scope("layer"), theirs) > 0.01


@pytest.mark.usefixtures("our_numbers")
@pytest.mark.parametrize("drop", [0.25, 0.75])
def test_fusion_bench_dare(drop: float) -> None:
    dropping, given = fusion("dare.utils").param_random_drop_, tensors()
    dropped = [each.clone() for each in given]
    for each in dropped:
        dropping(each, drop, rescale=True)
    assert torch.equal(ours("dare", given, drop=drop), torch.stack(dropped).sum(dim=0))


@pytest.mark.parametrize("count", [1, 3, 5])
def test_fusion_bench_tsv(count: int) -> None:
    """Of full rank: null vectors of low-rank updates are rounding, which we leave out.

    24 / 5 rounds down to 4 triples of each task, as `int(24 * (1 / 5))` does.
    """
    merge = fusion("task_singular_vector.utils.TSVM_utils").compute_and_sum_svd_mem_reduction
    given = [change.delta for change in dense(SHAPE, count)]
    theirs = merge([{"weight": each} for each in given], accelerator="cpu")["weight"]
    for rank_mode in ("signal", "reference"):
        assert distance(ours("tsv", given, rank_mode=rank_mode), theirs) < 1e-10


def test_fusion_bench_tsv_of_what_is_no_matrix_is_the_mean() -> None:
    merge = fusion("task_singular_vector.utils.TSVM_utils").compute_and_sum_svd_mem_reduction
    given = [change.delta for change in dense((6, 1, 3, 3), 4)]
    theirs = merge([{"kernel": each} for each in given], accelerator="cpu")["kernel"]
    assert distance(ours("tsv", given), theirs) < 1e-10


@pytest.mark.parametrize("shrink", [0.0, 0.5, 0.95, 1.0])
def test_fusion_bench_regmean(shrink: float) -> None:
    """They merge whole weights, without a ridge, from Gram matrices that they are given."""
    rule = fusion("regmean.regmean").merging_with_regmean_weights
    backbone, updates, tasks = small_backbone(), full_updates(3), tasks_of(3)
    base = parameters(backbone)
    moved = [changes(update, base) for update in updates]
    experts = [{name: base[name] + own[name] for name in own} for own in moved]
    grams = []
    for expert, task in zip(experts, tasks, strict=True):
        inputs = linear_inputs({**base, **expert}, task.splits["train"].inputs)
        grams.append({site: torch.tensor(x.T @ x / len(x)) for site, x in inputs.items()})
    lists = {name: [torch.tensor(each[name]) for each in experts] for name in experts[0]}
    theirs = rule(lists, grams, reduce_non_diagonal_ratio=shrink)

    given = MergeData(backbone=backbone, updates=tuple(updates), tasks=tasks, seed=0)
    found = changes(RegMean(shrink=shrink, ridge=0.0).merge(given), base)
    for name, weight in theirs.items():
        assert distance(torch.tensor(found[name]), weight - torch.tensor(base[name])) < 1e-4, name
