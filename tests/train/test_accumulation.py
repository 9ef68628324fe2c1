"""A batch in parts has the gradient of the whole batch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from narrow_towers import narrow_backbone
from training import TINY, randomised, synthetic_task

from mergebench.progress import Silent
from mergebench.train import Classifier, LoraTower, Losses, Step, train, train_in_turn
from mergebench.train.accumulation import Accumulation
from protections.trap2 import Trap2


@dataclass(frozen=True, kw_only=True)
class _Scarce(Trap2):
    """Trap² on a device that holds `room` images, and that notices after the nominal pass."""

    room: int = 3

    def backward(self, step: Step) -> Losses:
        if len(step.labels) > self.room:
            step.losses(1.0).mean().backward()
            raise torch.OutOfMemoryError
        return super().backward(step)


def step_of(dropout: float = 0.0) -> tuple[LoraTower, Step]:
    """Return a step of eight images of a tower with random adapters."""
    recipe, task = replace(TINY, dropout=dropout, precision="fp32"), synthetic_task()
    tower = randomised(LoraTower(narrow_backbone(), recipe, seed=0, task=task.name))
    classifier = Classifier(tower, task)
    examples = classifier.examples(task.splits["train"])
    rows = torch.arange(8)
    hidden, labels = examples.hidden.of(rows), examples.labels[rows]
    step = Step(
        classifier=classifier, hidden=hidden, labels=labels, index=2, steps=9, key=(0, "task")
    )
    return tower, step


def gradients(tower: LoraTower) -> list[torch.Tensor]:
    return [parameter.grad.clone() for parameter in tower.parameters]


@pytest.mark.parametrize(("room", "parts"), [(8, 1), (4, 2), (3, 4), (1, 8)])
def test_parts_have_the_gradient_of_the_whole_batch(room, parts):
    tower, step = step_of()
    expected = Trap2(strength=0.3, cap=1.5).backward(step)
    whole = gradients(tower)
    for parameter in tower.parameters:
        parameter.grad = None
    accumulation = Accumulation(_Scarce(strength=0.3, cap=1.5, room=room), tower.parameters)
    losses = accumulation.backward(step)
    assert accumulation.parts == parts
    assert losses.nominal == pytest.approx(expected.nominal, rel=1e-5)
    assert losses.off_nominal == pytest.approx(expected.off_nominal, rel=1e-5)
    scale = max(float(gradient.abs().max()) for gradient in whole)
    assert scale > 0
    for found, gradient in zip(gradients(tower), whole, strict=True):
        torch.testing.assert_close(found, gradient, rtol=0, atol=1e-5 * scale)


def test_an_image_that_does_not_fit_is_an_error():
    tower, step = step_of()
    with pytest.raises(torch.OutOfMemoryError):
        Accumulation(_Scarce(room=0), tower.parameters).backward(step)


def test_parts_have_dropout_masks_of_their_own():
    _, step = step_of(dropout=0.5)
    first, second = (replace(step, portion=number) for number in (0, 1))
    assert torch.equal(first.losses(1.0), step.losses(1.0))
    assert torch.equal(second.losses(1.0), second.losses(1.0))
    assert not torch.equal(first.losses(1.0), second.losses(1.0))


def test_training_goes_on_in_parts_and_records_it():
    recipe = replace(TINY, precision="fp32", steps=3)
    backbone, task = narrow_backbone(), synthetic_task()
    whole = train(backbone, task, Trap2(recipe=recipe), recipe, 0, Silent())
    parts = train(backbone, task, _Scarce(recipe=recipe), recipe, 0, Silent())
    assert (whole.record["parts_of_a_batch"], parts.record["parts_of_a_batch"]) == (1, 4)
    for site, change in whole.update.sites.items():
        torch.testing.assert_close(parts.update.sites[site].down, change.down, rtol=0, atol=1e-4)


def test_tasks_in_turn_go_on_in_parts_too(monkeypatch):
    recipe = replace(TINY, precision="fp32", steps=4)
    backbone, tasks = narrow_backbone(), [synthetic_task(), synthetic_task("others")]
    original = Classifier.losses

    def scarce(classifier, hidden, *others):
        if len(hidden) > 3:
            raise torch.OutOfMemoryError
        return original(classifier, hidden, *others)

    def trained():
        tower = LoraTower(backbone, recipe, seed=0, task="a")
        return train_in_turn(tower, tasks, seed=0).update

    whole = trained()
    monkeypatch.setattr(Classifier, "losses", scarce)
    parts = trained()
    for site, change in whole.sites.items():
        torch.testing.assert_close(parts.sites[site].down, change.down, rtol=0, atol=1e-4)
