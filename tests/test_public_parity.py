"""TA, TIES, DARE, TSV and RegMean against the public code of PEFT, mergekit and fusion-bench.

Where a package counts, breaks ties, weighs or rescales otherwise, its test says how, and either
gives our rule the input or the option that makes the two conventions one, or keeps to inputs on
which they coincide. PEFT is a dependency; the other two are the extra `parity`, because they bring
about 36 more packages.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import merge_utils as peft_rules
from small_tower import (
    changes,
    full_updates,
    linear_inputs,
    parameters,
    small_backbone,
    tasks_of,
)
from synthetic import SITE, as_updates, attack, dense, distance
from torch import Tensor, nn

from attacks.regmean import RegMean
from attacks.sparsification import TOP_K_GRID, trim, trim_thresholds
from mergebench.adapters import load_update
from mergebench.contracts import MergeData, Site, Space
from mergebench.merging import MergeProblem
from mergebench.registry import registry
from mergebench.update import Dense

SHAPE = (24, 30)
TRIMMED = TOP_K_GRID[1:]


def tensors(count: int = 5, seed: int = 0) -> list[Tensor]:
    """Return random float32 updates, in each of which all magnitudes are distinct."""
    found = [change.delta for change in dense(SHAPE, count, seed=seed, dtype=torch.float32)]
    assert all(len(each.abs().unique()) == each.numel() for each in found)
    return found


def ours(
    name: str, given: Sequence[Tensor], coefficients: Sequence[float] | None = None, **options: Any
) -> Tensor:
    """Return our merge of the tensors in Full space."""
    updates = as_updates([Dense(delta=each) for each in given])
    full = registry().get(Space, "full")()
    problem = MergeProblem(updates, space=full, coefficients=coefficients)
    return problem.merge(attack(name, **options)).sites[SITE].dense()


def trimmed(row: Tensor, top_k: float, *, inclusive: bool) -> Tensor:
    """Return our trimming of one tensor."""
    rows = row.reshape(1, -1)
    thresholds = trim_thresholds(rows, [top_k])[0]
    return trim(rows, thresholds, inclusive=inclusive).reshape(row.shape)


@pytest.fixture
def our_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a package draw, task after task, the numbers that our DARE draws at `SITE`."""
    site, tasks = Site(name=SITE, shape=SHAPE), itertools.count()

    def uniform(like: Tensor, **_: Any) -> Tensor:
        return torch.rand(like.shape, generator=site.generator("dare", next(tasks)))

    def bernoulli(density: Tensor) -> Tensor:
        return (uniform(density) > 1 - density).to(density.dtype)

    monkeypatch.setattr(torch, "rand_like", uniform)
    monkeypatch.setattr(torch, "bernoulli", bernoulli)


# PEFT: k entries, not k + 1; a sum of zero elects +; weights act after the election.


@pytest.mark.parametrize("top_k", TRIMMED)
def test_peft_keeps_one_entry_fewer(top_k: float) -> None:
    update = tensors(1)[0]
    theirs = peft_rules.prune(update, top_k / 100, "magnitude")
    assert torch.equal(trimmed(update, top_k, inclusive=False), theirs)
    extra = trimmed(update, top_k, inclusive=True) - theirs
    assert int(extra.count_nonzero()) == 1
    assert extra.abs().max() == (update - theirs).abs().max(), "the next largest"


@pytest.mark.filterwarnings("ignore:The density 1.0")
@pytest.mark.parametrize("top_k", TOP_K_GRID)
def test_peft_ties(top_k: float) -> None:
    """Equal bit for bit with `inclusive=False`: no sum of distinct random numbers is zero."""
    given = tensors()
    theirs = peft_rules.ties(given, torch.ones(len(given)), top_k / 100)
    assert torch.equal(ours("ties", given, top_k=top_k, inclusive=False), theirs)
    if top_k < 100:
        assert not torch.equal(ours("ties", given, top_k=top_k), theirs)


def small_integers(lean: int) -> list[Tensor]:
    """Return updates whose values cancel in many entries; `lean` moves the majority of signs."""
    draws = torch.Generator().manual_seed(3)
    values = torch.randint(-1, 2, (4, 1, 200), generator=draws).float()
    values[:, :, 150:] += 2 * lean
    return [*values]


def peft_ties_of_whole(given: Sequence[Tensor]) -> Tensor:
    """Return PEFT's election and disjoint mean without pruning."""
    stack = torch.stack([*given])
    return peft_rules.disjoint_merge(stack, peft_rules.calculate_majority_sign_mask(stack))


def test_peft_elects_plus_where_values_cancel() -> None:
    """We elect the majority of all entries: the same once that is positive."""
    positive, negative = small_integers(1), small_integers(-1)
    assert bool((torch.stack(positive).sum(dim=0) == 0).any())
    assert torch.equal(ours("ties", positive, top_k=100.0), peft_ties_of_whole(positive))
    assert not torch.equal(ours("ties", negative, top_k=100.0), peft_ties_of_whole(negative))
    # Entries that only one convention could decide, decided by a majority that is added for it.
    vote = [torch.cat([each, torch.ones(1, 1000)], dim=1) for each in negative]
    ballot = ours("ties", vote, top_k=100.0)[:, :200]
    assert torch.equal(ballot, peft_ties_of_whole(negative))


def test_peft_weighs_after_the_election() -> None:
    """We weigh before it: the same where all signs agree, so that there is nothing to elect."""
    weights = [1.0, 0.5, 2.0, 0.25, 1.5]

    def distance_of(given: list[Tensor]) -> float:
        found = ours("ties", given, weights, top_k=40.0, inclusive=False)
        return distance(found, peft_rules.ties(given, torch.tensor(weights), 0.4))

    assert distance_of([each.abs() for each in tensors()]) < 1e-6
    assert distance_of(tensors()) > 0.01


@pytest.mark.usefixtures("our_numbers")
@pytest.mark.parametrize("drop", [0.25, 0.75])
def test_peft_dare(drop: float) -> None:
    """Both rescale by `1 / (1 - drop)`; PEFT does not trim after it, which is `top_k=100` here."""
    given = tensors()
    sums = peft_rules.dare_linear(given, torch.ones(len(given)), 1 - drop)
    assert torch.equal(ours("dare", given, drop=drop), sums)


@pytest.mark.usefixtures("our_numbers")
@pytest.mark.parametrize("drop", [0.25, 0.75])
def test_peft_dare_ties(drop: float) -> None:
    given = tensors()
    elected = peft_rules.dare_ties(given, torch.ones(len(given)), 1 - drop)
    assert torch.equal(ours("dare_ties", given, drop=drop, top_k=100.0), elected)


# PEFT's own merge of adapters, from the files that it writes.

RANKS = {"first": 3, "second": 5, "third": 2}
WEIGHTS = [0.7, 0.2, 1.6]
LINEARS = {"query": (20, 24), "fc": (30, 20)}


def adapted_model() -> PeftModel:
    """Return a model with three random adapters, whose lora_alpha/r are 2, 1 and 1/2."""
    layers = {name: nn.Linear(n, m) for name, (m, n) in LINEARS.items()}
    configs = {
        name: LoraConfig(r=rank, lora_alpha=alpha, target_modules=[*LINEARS])
        for (name, rank), alpha in zip(RANKS.items(), (6, 5, 1), strict=True)
    }
    model = get_peft_model(nn.ModuleDict(layers), configs["first"], adapter_name="first")
    for name in ("second", "third"):
        model.add_adapter(name, configs[name])
    draws = torch.Generator().manual_seed(0)
    for key, parameter in model.named_parameters():
        if "lora_" in key:
            parameter.data = torch.randn(parameter.shape, generator=draws)
    return model


def peft_merge(model: PeftModel, kind: str, weights: list[float], **options: Any) -> list[Tensor]:
    """Return the change of each linear under PEFT's weighted adapter."""
    model.add_weighted_adapter([*RANKS], weights, kind, combination_type=kind, **options)
    layers = [model.get_submodule(f"base_model.model.{name}") for name in LINEARS]
    return [layer.get_delta_weight(kind).detach() for layer in layers]


def our_merge(
    model: PeftModel, folder: Path, space: str, name: str, weights: list[float], **options: Any
) -> list[Tensor]:
    """Return the same under our rule, of the adapters as PEFT saves them."""
    model.save_pretrained(folder, selected_adapters=[*RANKS])
    updates = [load_update(folder / each, LINEARS, "toy") for each in RANKS]
    kind = registry().get(Space, space)()
    merged = MergeProblem(updates, space=kind, coefficients=weights).merge(attack(name, **options))
    return [merged.sites[site].dense() for site in LINEARS]


def assert_close(found: list[Tensor], expected: list[Tensor]) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        assert distance(mine, theirs) < 1e-5


@pytest.mark.parametrize("space", ["full", "knots", "core"])
def test_peft_cat_is_weighted_task_arithmetic(tmp_path: Path, space: str) -> None:
    adapted = adapted_model()
    found = our_merge(adapted, tmp_path, space, "ta", WEIGHTS)
    assert_close(found, peft_merge(adapted, "cat", WEIGHTS))
    assert_close(found, peft_merge(adapted, "svd", WEIGHTS, svd_rank=sum(RANKS.values())))


def test_peft_ties_svd_is_ties_in_full_space(tmp_path: Path) -> None:
    """PEFT then cuts to `svd_rank`: here the smaller side, which cuts nothing."""
    adapted = adapted_model()
    ones = [1.0] * len(RANKS)
    found = our_merge(adapted, tmp_path, "full", "ties", ones, top_k=30.0, inclusive=False)
    assert_close(found, peft_merge(adapted, "ties_svd", ones, svd_rank=20, density=0.3))


# mergekit: k entries, but at least 1; a sum of zero elects +; weights act before the election and
# their sum divides; DARE rescales by the realised L1 norm.


def mergekit(
    name: str, given: Sequence[Tensor], weights: Sequence[float], **options: Any
) -> Tensor:
    """Return mergekit's merge of the tensors as changes of a base of zeros."""
    api = pytest.importorskip("mergekit.merge_methods", reason="pip install mergebench[parity]")
    ids = range(1, 1 + len(given))
    parameters = {"weight": dict(zip(ids, weights, strict=True)), **options}
    base = torch.zeros_like(given[0])
    merged: Tensor = api.merge_tensors(
        [base, *given], name, parameters=parameters, ids=[0, *ids], base_index=0
    )
    return merged


@pytest.mark.parametrize("top_k", [*TRIMMED, 0.1])
def test_mergekit_keeps_one_entry_fewer_but_never_none(top_k: float) -> None:
    sparsify = pytest.importorskip("mergekit.sparsify", reason="pip install mergebench[parity]")
    update = tensors(1)[0][:8]  # 240 entries: 0.1, a fraction, keeps 24
    density = top_k / 100 if top_k > 1 else top_k
    theirs = sparsify.magnitude(update, density)
    assert torch.equal(trimmed(update, top_k, inclusive=False), theirs)
    single = sparsify.magnitude(update, 0.001)
    assert torch.equal(trimmed(update, 0.001, inclusive=True), single)
    assert int(trimmed(update, 0.001, inclusive=False).count_nonzero()) == 0


@pytest.mark.parametrize("top_k", TOP_K_GRID)
def test_mergekit_ties(top_k: float) -> None:
    """Equal weights cancel in the division, and unequal ones without it are our weighted sum."""
    given, weights = tensors(), [1.0, 0.5, 2.0, 0.25, 1.5]
    mean = mergekit("ties", given, [1.0] * 5, density=top_k / 100)
    assert torch.equal(ours("ties", given, top_k=top_k, inclusive=False), mean)
    total = mergekit("ties", given, weights, density=top_k / 100, normalize=False)
    options = {"top_k": top_k, "inclusive": False, "aggregation": "sum"}
    assert distance(ours("ties", given, weights, **options), total) < 1e-6
    divided = mergekit("ties", given, weights, density=top_k / 100)
    assert distance(ours("ties", given, weights, top_k=top_k, inclusive=False), divided) > 0.1


def test_mergekit_elects_plus_where_values_cancel() -> None:
    """As PEFT: the same as ours once the majority of all entries is positive."""
    positive, negative = small_integers(1), small_integers(-1)
    assert torch.equal(ours("ties", positive, top_k=100.0), mergekit("ties", positive, [1.0] * 4))
    theirs = mergekit("ties", negative, [1.0] * 4)
    assert not torch.equal(ours("ties", negative, top_k=100.0), theirs)


@pytest.mark.usefixtures("our_numbers")
@pytest.mark.parametrize("rescale", [False, True])
def test_mergekit_dare(rescale: bool) -> None:
    """We divide by `1 - drop`, mergekit not at all or by the share of the L1 norm that is left."""
    given = tensors()
    theirs = mergekit("dare_linear", given, [1.0] * 5, density=0.25, rescale=rescale)
    scaled = []
    for task, each in enumerate(given):
        generator = Site(name=SITE, shape=SHAPE).generator("dare", task)
        kept = each * (torch.rand(each.shape, generator=generator) > 0.75)
        scaled.append(each * (0.25 * each.abs().sum() / kept.abs().sum()))
    if not rescale:
        assert torch.equal(0.25 * ours("dare", given, drop=0.75), theirs)
    else:
        assert distance(ours("dare", scaled, drop=0.75), theirs) < 1e-6
        assert distance(ours("dare", given, drop=0.75), theirs) > 0.001


@pytest.mark.usefixtures("our_numbers")
def test_mergekit_dare_ties_does_not_trim() -> None:
    given = tensors()
    theirs = mergekit("dare_ties", given, [1.0] * 5, density=0.25, rescale=False, normalize=True)
    assert torch.equal(0.25 * ours("dare_ties", given, drop=0.75, top_k=100.0), theirs)
    assert not torch.equal(0.25 * ours("dare_ties", given, drop=0.75, top_k=10.0), theirs)


# fusion-bench: k + 1 entries and the majority, as here; trims over the whole flattened model.


def fusion(module: str) -> Any:
    """Return one module of fusion-bench's methods."""
    return pytest.importorskip(
        f"fusion_bench.method.{module}", reason="pip install mergebench[parity]"
    )


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


def test_fusion_bench_trims_all_sites_together() -> None:
    """We trim each site on its own: the same once the sites are given as one."""
    rule = fusion("ties_merging.ties_merging_utils").ties_merging
    small, large = tensors(seed=1), [10 * each for each in tensors(seed=3)]
    joined = [torch.cat(pair) for pair in zip(small, large, strict=True)]
    rows = torch.stack(joined).flatten(start_dim=1)
    theirs = rule(rows, reset_thresh=20, merge_func="sum").reshape(joined[0].shape)
    options = {"top_k": 20.0, "aggregation": "sum"}
    assert torch.equal(ours("ties", joined, **options), theirs)
    apart = torch.cat([ours("ties", small, **options), ours("ties", large, **options)])
    assert distance(apart, theirs) > 0.1


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
        inputs = linear_inputs({**base, **expert}, task.splits["train"].images)
        grams.append({site: torch.tensor(x.T @ x / len(x)) for site, x in inputs.items()})
    lists = {name: [torch.tensor(each[name]) for each in experts] for name in experts[0]}
    theirs = rule(lists, grams, reduce_non_diagonal_ratio=shrink)

    given = MergeData(backbone=backbone, updates=tuple(updates), tasks=tasks, seed=0)
    found = changes(RegMean(shrink=shrink, ridge=0.0).merge(given), base)
    for name, weight in theirs.items():
        assert distance(torch.tensor(found[name]), weight - torch.tensor(base[name])) < 1e-4, name
