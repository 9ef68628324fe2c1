"""AdaMerging and Fisher merging against plain loops over whole weights."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from small_tower import SITES, full_updates, low_rank_updates, small_backbone, tasks_of
from synthetic import distance
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional
from training import assert_unchanged, weights_of

from attacks.adamerging import AdaMerging
from attacks.fisher import Fisher
from mergebench.backbones import Backbone, text_head
from mergebench.contracts import MergeData
from mergebench.errors import InputError
from mergebench.seeding import generator
from mergebench.suites import Task
from mergebench.updates import Update


def by_length(texts: Sequence[str]) -> Tensor:
    """Tell "even" from "odd", which the small backbone's own tokens do not."""
    return torch.tensor([[1, len(text), 2, 7] for text in texts])


def given(updates: Sequence[Update], tasks: Sequence[Task] | None = None) -> MergeData:
    tasks = tasks or tasks_of(len(updates))
    backbone = replace(small_backbone(), tokenize=by_length)
    return MergeData(backbone=backbone, updates=tuple(updates), tasks=tuple(tasks), seed=0)


def apart(found: Update, expected: dict[str, Tensor]) -> float:
    assert found.sites.keys() == expected.keys()
    return max(distance(found.sites[site].dense(), expected[site]) for site in expected)


def name_of(backbone: Backbone, site: str) -> str:
    names = dict(backbone.tower.named_parameters())
    return f"{site}.weight" if f"{site}.weight" in names else site


def logits(backbone: Backbone, features: Tensor, task: Task) -> Tensor:
    head = text_head(backbone, task.classes, task.templates)
    return backbone.logit_scale * functional.normalize(features, dim=-1) @ head.T


# Fisher


def information(data: MergeData, place: int, batch_size: int) -> dict[str, Tensor]:
    """Return `F_i` in float64: weights written into a copy of the tower, one backward a batch."""
    tower, task = deepcopy(data.backbone.tower).double(), data.tasks[place]
    parameters = dict(tower.named_parameters())
    changed = {site: parameters[name_of(data.backbone, site)] for site in data.updates[0].sites}
    for site, weight in changed.items():
        weight.data += data.updates[place].sites[site].dense().double()
        weight.requires_grad_()
    total = {site: torch.zeros_like(weight) for site, weight in changed.items()}
    inputs = task.splits["train"].inputs
    head = text_head(data.backbone, task.classes, task.templates).double()
    for start in range(0, len(inputs), batch_size):
        features = tower(data.backbone.prepare(inputs[start : start + batch_size]).double())
        scores = data.backbone.logit_scale * functional.normalize(features, dim=-1) @ head.T
        p = scores.softmax(dim=1)
        for weight in changed.values():
            weight.grad = None
        (p.detach().sqrt() * p.log()).sum().backward()
        for site, weight in changed.items():
            total[site] += weight.grad**2
    return {site: own / len(inputs) for site, own in total.items()}


@pytest.mark.parametrize("make", [low_rank_updates, full_updates])
@pytest.mark.parametrize("options", [{}, {"batch_size": 1, "floor": 1e-3}], ids=str)
def test_fisher_in_float64(make, options) -> None:
    data = given(make(2), tasks_of(2, images=9))
    attack = Fisher(**options)
    before = weights_of(data.backbone)
    found = attack.merge(data)
    own = [information(data, place, attack.batch_size) for place in (0, 1)]
    norms = [sum(float(f.square().sum()) for f in one.values()) ** 0.5 for one in own]
    scales = [1 / (norm + attack.floor) for norm in norms]
    expected = {}
    for site in data.updates[0].sites:
        weights = [
            scale * (one[site] + attack.floor) for scale, one in zip(scales, own, strict=True)
        ]
        parts = [update.sites[site].dense().double() for update in data.updates]
        sums = sum(weight * part for weight, part in zip(weights, parts, strict=True))
        expected[site] = sums / sum(weights)
    assert apart(found, expected) < 1e-3
    noted = [data.notes[f"norm of F of task {place}"] for place in (0, 1)]
    assert noted == pytest.approx(norms, rel=1e-3)
    assert_unchanged(data.backbone, before)


def test_fisher_of_copies_and_with_a_large_floor_is_the_mean() -> None:
    updates = low_rank_updates(2)
    copies = Fisher().merge(given(updates[:1] * 2))
    assert apart(copies, {site: updates[0].sites[site].dense() for site in SITES}) < 1e-6
    mean = {site: sum(one.sites[site].dense() for one in updates) / 2 for site in SITES}
    assert apart(Fisher(floor=1e20).merge(given(updates)), mean) < 1e-5
    assert apart(Fisher().merge(given(updates)), mean) > 0.1


# AdaMerging


def adamerged(data: MergeData, attack: AdaMerging) -> tuple[dict[str, Tensor], Tensor]:
    """Return merged changes and coefficients, by autograd through the whole sum."""
    backbone, sites = data.backbone, [*data.updates[0].sites]
    names = {site: name_of(backbone, site) for site in sites}
    base = {name: value.detach() for name, value in backbone.tower.named_parameters()}
    changes = {site: torch.stack([u.sites[site].dense() for u in data.updates]) for site in sites}
    layers = len(sites) if attack.granularity == "layer" else 1
    values = torch.full((layers, len(data.updates)), attack.initial, requires_grad=True)
    optimizer = torch.optim.Adam([values], lr=attack.learning_rate)

    def merged() -> dict[str, Tensor]:
        rows = values.expand(len(sites), -1)
        return {
            site: torch.einsum("t,t...->...", row, changes[site])
            for site, row in zip(sites, rows, strict=True)
        }

    draws = [generator(data.seed, "adamerging", task.name) for task in data.tasks]
    left = [torch.empty(0, dtype=torch.int64) for _ in data.tasks]
    for _ in range(attack.steps):
        weights = {names[site]: base[names[site]] + own for site, own in merged().items()}
        total = torch.zeros(())
        for place, task in enumerate(data.tasks):
            inputs = task.splits["train"].inputs
            while len(left[place]) < attack.batch_size:
                order = torch.randperm(len(inputs), generator=draws[place])
                left[place] = torch.cat([left[place], order])
            batch = inputs[left[place][: attack.batch_size]]
            left[place] = left[place][attack.batch_size :]
            features = functional_call(backbone.tower, weights, (backbone.prepare(batch),))
            p = logits(backbone, features, task).softmax(dim=1)
            total = total - torch.xlogy(p, p).sum(dim=1).mean()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    return {site: own.detach() for site, own in merged().items()}, values.detach()


@pytest.mark.parametrize("make", [low_rank_updates, full_updates])
@pytest.mark.parametrize("granularity", ["layer", "task"])
def test_adamerging_is_adam_on_the_entropies(make, granularity) -> None:
    data = given(make(3), tasks_of(3, images=10))
    attack = AdaMerging(granularity=granularity, steps=8, batch_size=4, learning_rate=0.02)
    before = weights_of(data.backbone)
    found = attack.merge(data)
    expected, values = adamerged(data, attack)
    # A key's bias changes no attention: its slope is rounding, of which Adam makes whole steps.
    sound = {site: own for site, own in expected.items() if not site.endswith("k_proj.bias")}
    assert apart(replace(found, sites={site: found.sites[site] for site in sound}), sound) < 1e-3
    noted = [data.notes[f"coefficient of task {place}"] for place in range(3)]
    assert noted == pytest.approx(values.mean(dim=0).tolist(), abs=2e-3)
    assert (values - 0.3).abs().max() > 0.05, "nothing was learnt"
    assert_unchanged(data.backbone, before)


def test_adamerging_without_steps_is_task_arithmetic() -> None:
    updates = low_rank_updates(3)
    found = AdaMerging(steps=0, initial=0.4).merge(given(updates))
    sums = {site: 0.4 * sum(one.sites[site].dense() for one in updates) for site in SITES}
    assert apart(found, sums) < 1e-6


def test_the_entropy_falls() -> None:
    notes = []
    for steps in (1, 25):
        data = given(low_rank_updates(2))
        AdaMerging(steps=steps, batch_size=40, learning_rate=0.03).merge(data)
        notes.append(data.notes["entropy"])
    assert notes[1] < 0.9 * notes[0]


def test_an_entropy_that_is_not_finite_is_refused() -> None:
    data = given([update.scaled(1e30) for update in low_rank_updates(2)])
    before = weights_of(data.backbone)
    with pytest.raises(InputError, match="the entropy is not finite after 0 steps: lower"):
        AdaMerging().merge(data)
    assert_unchanged(data.backbone, before)


@pytest.mark.parametrize(
    ("attack", "options", "message"),
    [
        (AdaMerging, {"granularity": "x"}, "granularity is 'x'; choose from: layer, task"),
        (AdaMerging, {"batch_size": 0}, "batch_size is 0; give a number from 1"),
        (Fisher, {"batch_size": 0}, "batch_size is 0; give a number from 1"),
        (Fisher, {"floor": 0.0}, "floor is 0.0; give a number from 1e-30"),
    ],
)
def test_wrong_options_are_refused(attack, options, message) -> None:
    with pytest.raises(InputError, match=message):
        attack(**options)
