"""TIES, DARE, Breadcrumbs, DELLA, SCE and RAM against mergekit (extra `parity`)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from public_conventions import (
    SHAPE,
    TRIMMED,
    draw_our_numbers,
    ours,
    small_integers,
    tensors,
    trimmed,
)
from synthetic import SITE, distance
from torch import Tensor

from attacks.breadcrumbs import Breadcrumbs
from attacks.della import Della
from attacks.parts.sparsification import TOP_K_GRID
from attacks.sce import SCE
from mergebench.contracts import Site


@pytest.fixture
def our_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_our_numbers(monkeypatch)


# mergekit: k entries, but at least 1; a sum of zero elects +; weights act before the election and
# their sum divides; DARE rescales by the realised L1 norm.


def mergekit(
    name: str, given: Sequence[Tensor], weights: Sequence[float], **options: Any
) -> Tensor:
    """Return mergekit's merge of the tensors as changes of a base of zeros.

    `weights` are empty for a method that takes none.
    """
    api = pytest.importorskip("mergekit.merge_methods", reason="pip install mergebench[parity]")
    ids = range(1, 1 + len(given))
    parameters = {"weight": dict(zip(ids, weights, strict=True))} if weights else {}
    base = torch.zeros_like(given[0])
    merged: Tensor = api.merge_tensors(
        [base, *given], name, parameters={**parameters, **options}, ids=[0, *ids], base_index=0
    )
    return merged


@pytest.mark.parametrize("top_k", TRIMMED)
def test_mergekit_keeps_one_entry_fewer_but_never_none(top_k: float) -> None:
    sparsify = pytest.importorskip("mergekit.sparsify", reason="pip install mergebench[parity]")
    update = tensors(1)[0][:8]  # 240 entries
    theirs = sparsify.magnitude(update, top_k / 100)
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


@pytest.mark.parametrize("density", Breadcrumbs.grid["density"])
@pytest.mark.parametrize("gamma", [0.01, 0.2, 0.001])
def test_mergekit_breadcrumbs(density: float, gamma: float) -> None:
    """Of the smallest `gamma` both drop no outlier; at density 0.9 fewer than 0.2 are dropped."""
    given = tensors()
    theirs = mergekit("breadcrumbs", given, [1.0] * 5, density=density, gamma=gamma)
    assert distance(ours("breadcrumbs", given, density=density, gamma=gamma), theirs) < 1e-6


@pytest.fixture
def our_della_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let mergekit keep, task after task, what our DELLA's numbers at `SITE` keep."""
    site, tasks = Site(name=SITE, shape=SHAPE), itertools.count()

    def bernoulli(probability: Tensor) -> Tensor:
        draws = torch.rand(probability.shape, generator=site.generator("della", next(tasks)))
        return (draws < probability).to(probability.dtype)

    monkeypatch.setattr(torch, "bernoulli", bernoulli)


@pytest.mark.usefixtures("our_della_numbers")
@pytest.mark.parametrize("density", Della.grid["density"])
@pytest.mark.parametrize("elect", [True, False])
def test_mergekit_della(density: float, elect: bool) -> None:
    """mergekit rescales each tensor to its L1 norm, the paper each entry by its probability."""
    given = tensors()
    name = "della" if elect else "della_linear"
    theirs = mergekit(name, given, [1.0] * 5, density=density, epsilon=0.15)
    options = {"density": density, "epsilon": 0.15, "elect": elect}
    assert distance(ours("della", given, rescale="norm", **options), theirs) < 1e-6
    assert distance(ours("della", given, **options), theirs) > 0.01


@pytest.mark.parametrize("select", SCE.grid["select"])
def test_mergekit_sce(select: float) -> None:
    given = [scale * each for scale, each in zip((1, 2, 0.5, 3, 1), tensors(), strict=True)]
    theirs = mergekit("sce", given, [], select_topk=select)
    assert distance(ours("sce", given, select=select), theirs) < 1e-6


def test_mergekit_sce_forgets_its_weights_where_updates_are_small() -> None:
    """Mean squares of less than 1e-6 together: equal weights there, at no scale here."""
    given = [scale * each for scale, each in zip((1, 2, 0.5, 3, 1), tensors(), strict=True)]
    small = [2**-13 * each for each in given]
    assert torch.equal(2**13 * ours("sce", small, select=1.0), ours("sce", given, select=1.0))
    theirs = mergekit("sce", small, [], select_topk=1.0)
    assert distance(ours("sce", small, select=1.0), theirs) > 0.1
    mean = mergekit("ties", small, [1.0] * 5, density=1.0)
    assert distance(theirs, mean) < 1e-6


def test_mergekit_sce_selects_nothing_of_copies() -> None:
    copies = tensors(1) * 3
    assert int(mergekit("sce", copies, [], select_topk=0.5).count_nonzero()) == 0
    assert distance(ours("sce", copies, select=0.5), copies[0]) < 1e-6


@pytest.mark.parametrize("epsilon", [1e-5, 0.3, 1.0])
def test_mergekit_ram(epsilon: float) -> None:
    given = tensors()
    theirs = mergekit("ram", given, [], epsilon=epsilon)
    assert distance(ours("ram", given, epsilon=epsilon), theirs) < 1e-6
