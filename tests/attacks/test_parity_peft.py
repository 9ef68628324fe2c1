"""TA, TIES and DARE against PEFT's tensor functions and its merge of adapters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import merge_utils as peft_rules
from public_conventions import (
    TRIMMED,
    draw_our_numbers,
    ours,
    small_integers,
    tensors,
    trimmed,
)
from synthetic import attack, distance
from torch import Tensor, nn

from attacks.parts.sparsification import TOP_K_GRID
from mergebench.contracts import Space
from mergebench.merging.problem import MergeProblem
from mergebench.registry import registry
from mergebench.updates.adapters import load_update


@pytest.fixture
def our_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_our_numbers(monkeypatch)


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


@pytest.mark.parametrize("rank", [None, 3, 8])
@pytest.mark.parametrize("weights", [WEIGHTS, [1.0, -1.0, 0.5]], ids=str)
def test_peft_svd(tmp_path: Path, rank: int | None, weights: list[float]) -> None:
    """Without a rank both take the largest of the adapters, 5 here."""
    adapted = adapted_model()
    options = {} if rank is None else {"svd_rank": rank}
    found = our_merge(adapted, tmp_path, "full", "peft_svd", weights, **options)
    assert_close(found, peft_merge(adapted, "svd", weights, svd_rank=rank))


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], WEIGHTS, [1.0, -1.0, 0.5]], ids=str)
def test_peft_linear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: list[float]) -> None:
    """PEFT takes adapters of one rank only; their scalings are 3/2, 5/4 and 1/4."""
    monkeypatch.setitem(globals(), "RANKS", dict.fromkeys(RANKS, 4))
    adapted = adapted_model()
    found = our_merge(adapted, tmp_path, "full", "peft_linear", weights)
    expected = peft_merge(adapted, "linear", weights)
    assert_close(found, expected)
    sums = our_merge(adapted, tmp_path, "full", "ta", weights)
    assert distance(found[0], sums[0]) > 0.3, "there are cross terms"
