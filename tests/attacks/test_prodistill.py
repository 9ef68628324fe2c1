"""ProDistill: what its coefficients amount to, what it reads, and what it holds."""

from __future__ import annotations

import weakref
from dataclasses import replace

import pytest
import torch
from few_updates import merge_data, random_update
from narrow_towers import narrow_backbone
from torch import Tensor
from training import assert_unchanged, weights_of

from attacks import prodistill
from attacks.prodistill import ProDistill
from mergebench.backbones import Backbone
from mergebench.errors import InputError
from mergebench.measure.evaluate import deployed
from mergebench.suites import Split, Task
from mergebench.updates.update import Update

FEW = ProDistill(inputs_per_task=12, epochs=2, batch_size=8)
KINDS = ("element", "tensor", "task")


@pytest.fixture(scope="module", params=["mini_vit", "mini_convnext"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return narrow_backbone(request.param)


def arithmetic(updates: tuple[Update, ...], coefficient: float) -> dict[str, torch.Tensor]:
    return {
        site: coefficient * sum(update.sites[site].dense() for update in updates)
        for site in updates[0].sites
    }


def assert_same(merged: Update, expected: dict[str, torch.Tensor], tolerance: float = 0.0) -> None:
    assert merged.sites.keys() == expected.keys()
    for site, change in merged.sites.items():
        difference = (change.dense() - expected[site]).norm()
        assert float(difference) <= tolerance * float(expected[site].norm()), site


@pytest.mark.parametrize("full", [False, True], ids=["low rank", "all parameters"])
@pytest.mark.parametrize("granularity", KINDS)
def test_without_training_it_is_task_arithmetic(backbone, granularity, full):
    attack = FEW.with_options(epochs=0, granularity=granularity)
    updates = tuple(random_update(backbone, seed, full=full) for seed in (0, 1))
    merged = attack.merge(merge_data(attack, backbone, updates=updates))
    assert_same(merged, arithmetic(updates, 0.3), tolerance=1e-6)


def test_a_single_update_is_distilled_without_loss_at_coefficient_one(backbone):
    """Its own blocks are the teacher's: the loss is 0, and so is the gradient."""
    attack = FEW.with_options(initial=1.0)
    given = merge_data(attack, backbone, tasks=1)
    merged = attack.merge(given)
    assert given.notes["relative_error"] == 0
    assert given.notes["scale_task 0"] == 1
    assert_same(merged, arithmetic(given.updates, 1.0))


def test_distillation_approaches_the_teachers(backbone):
    attack = FEW.with_options(epochs=6)
    errors = []
    for tried in (attack.with_options(epochs=0), attack):
        given = merge_data(tried, backbone)
        tried.merge(given)
        errors.append(given.notes["relative_error"])
    assert errors[1] < 0.85 * errors[0]


@pytest.mark.parametrize("full", [False, True], ids=["low rank", "all parameters"])
def test_the_streams_are_what_the_models_make_of_the_images(backbone, full, monkeypatch):
    """Before every block: the student's of the merge so far, the teachers' of their own models."""
    seen = []
    original = prodistill._Streams.advance_teachers

    def record(streams, block, changes):
        seen.append((streams._student.clone(), streams._teacher.clone()))
        original(streams, block, changes)

    monkeypatch.setattr(prodistill._Streams, "advance_teachers", record)
    updates = tuple(random_update(backbone, seed, full=full) for seed in (0, 1))
    given = merge_data(FEW, backbone, updates=updates)
    merged = FEW.merge(given)
    images = [task.splits["train"].inputs for task in given.tasks]
    own = [block_inputs(backbone, merged, part) for part in images]
    taught = [block_inputs(backbone, one, part) for one, part in zip(updates, images, strict=True)]
    assert len(seen) == len(own[0]) > 2
    for place, (student, teacher) in enumerate(seen):
        for found, expected in ((student, own), (teacher, taught)):
            whole = torch.cat([each[place] for each in expected])
            torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-4)


def block_inputs(backbone: Backbone, update: Update, images: Tensor) -> list[Tensor]:
    """Return what every block is given while the whole tower runs with the update."""
    caught: list[Tensor] = []
    hooks = [
        block.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
        for block in backbone.parts.blocks().values()
    ]
    try:
        with deployed(backbone, update), torch.no_grad():
            backbone.tower(backbone.prepare(images))
    finally:
        for hook in hooks:
            hook.remove()
    return caught


def test_shared_elements_are_a_coefficient_per_task(backbone):
    """One value for all entries of an update is what "task" trains, and "tensor" with one site."""
    site = next(iter(backbone.sites))
    updates = tuple(
        Update(sites={site: random_update(backbone, seed).sites[site]}) for seed in (0, 1)
    )
    merged = {}
    for granularity in ("tensor", "task"):
        attack = FEW.with_options(granularity=granularity)
        given = merge_data(attack, backbone, updates=updates)
        merged[granularity] = attack.merge(given)
    assert merged["tensor"].sha256 == merged["task"].sha256
    scales = [given.notes[f"scale_task {place}"] for place in (0, 1)]
    assert all(abs(scale - 0.3) > 1e-3 for scale in scales)
    weighted = sum(
        scale * update.sites[site].dense() for scale, update in zip(scales, updates, strict=True)
    )
    assert_same(merged["task"], {site: weighted}, tolerance=1e-5)


def test_coefficients_that_share_one_value_weigh_like_it():
    draws = torch.Generator().manual_seed(0)
    changes = {"a": torch.randn(3, 4, 5, generator=draws), "b": torch.randn(3, 6, generator=draws)}
    values = {kind: prodistill._Coefficients(changes, kind, 0.3) for kind in KINDS}
    shared = torch.tensor([0.1, -0.5, 2.0])
    for coefficients in values.values():
        for leaf in coefficients.leaves:
            leaf.data = shared.view(-1, *(1,) * (leaf.dim() - 1)).expand_as(leaf).clone()
    counts = {kind: sum(leaf.numel() for leaf in values[kind].leaves) for kind in KINDS}
    assert counts == {"element": 3 * (20 + 6), "tensor": 3 * 2, "task": 3}
    for name in changes:
        element, tensor, task = (values[kind].weighted()[name] for kind in KINDS)
        assert torch.equal(element, task)
        assert torch.equal(tensor, task)
    gradients = {}
    for kind, coefficients in values.items():
        sum(part.square().sum() for part in coefficients.weighted().values()).backward()
        own = [
            leaf.grad.flatten(1).sum(1) if leaf.dim() > 1 else leaf.grad
            for leaf in coefficients.leaves
        ]
        gradients[kind] = torch.stack(own).sum(0)
    torch.testing.assert_close(gradients["element"], gradients["task"])
    torch.testing.assert_close(gradients["tensor"], gradients["task"])


def test_labels_are_not_read(backbone):
    given = merge_data(FEW, backbone)
    blind = tuple(without_labels(task) for task in given.tasks)
    assert FEW.merge(given).sha256 == FEW.merge(replace(given, tasks=blind)).sha256


def without_labels(task: Task) -> Task:
    """Return the task with its labels in another order, and no images to select on."""
    splits = {
        name: Split(inputs=own.inputs, labels=own.labels.flip(0).clone().fill_(0))
        for name, own in task.splits.items()
    }
    return replace(task, splits=splits)


@pytest.mark.parametrize("fails", [False, True])
def test_backbone_and_random_state_are_left_alone(backbone, fails, monkeypatch):
    before, state = weights_of(backbone), torch.get_rng_state()
    updates = tuple(random_update(backbone, seed, full=True) for seed in (0, 1))
    given = merge_data(FEW, backbone, updates=updates)
    if fails:
        monkeypatch.setattr(prodistill.StemOutputs, "of", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            FEW.merge(given)
    else:
        assert FEW.merge(given).sha256 == FEW.merge(given).sha256
    assert_unchanged(backbone, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_coefficients_of_one_block_are_held_at_a_time(backbone, monkeypatch):
    """Those of the block before are gone when the next optimiser is made."""
    alive: list[weakref.ref[Tensor]] = []
    held: list[int] = []
    original = torch.optim.Adam

    def watch(leaves: list[Tensor], **options: object) -> torch.optim.Adam:
        alive.extend(weakref.ref(leaf) for leaf in leaves)
        held.append(sum(leaf.numel() for ref in alive if (leaf := ref()) is not None))
        return original(leaves, **options)

    monkeypatch.setattr(torch.optim, "Adam", watch)
    given = merge_data(FEW, backbone)
    FEW.merge(given)
    own = [
        sum(backbone.sites[site].weight.numel() for site in backbone.sites if site.startswith(path))
        for path in (f"{path}." for path in backbone.parts.blocks())
    ]
    assert held == [len(given.updates) * size for size in own if size]


def test_an_unknown_granularity_is_refused():
    with pytest.raises(InputError, match="granularity is 'entry'; choose from: element, tensor"):
        ProDistill(granularity="entry")
