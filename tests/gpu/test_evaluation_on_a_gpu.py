"""Counts of the embedded backbone, and its weights after a deployment."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from few_updates import random_update
from torch import Tensor

from mergebench.backbones import Backbone, Precision, load_backbone
from mergebench.measure import Deployment, Evaluator
from mergebench.suites import Task, load_suite

pytestmark = pytest.mark.gpu

TASKS = ("mnist", "textures")


@cache
def tasks() -> tuple[Task, ...]:
    return load_suite("mini8", tasks=TASKS).tasks


@cache
def backbone_on(device: torch.device) -> Backbone:
    return load_backbone("mini_vit", device=device)


def predicted(device: torch.device, precision: Precision) -> dict[str, Tensor]:
    """Return the classes that `mini_vit` predicts for half of the test images of each task."""
    evaluator = Evaluator(backbone_on(device), tasks(), per_task={"test": 500}, precision=precision)
    return {task: found.cpu() for task, found in evaluator.predictions("test").items()}


@pytest.mark.parametrize(("precision", "most"), [("fp32", 2), ("bf16", 15)])
def test_predictions(precision: Precision, most: int, device: torch.device) -> None:
    """Of 500; in bf16 as many differ from float32 on one and the same device."""
    there, here = predicted(device, precision), predicted(torch.device("cpu"), precision)
    for task, classes in there.items():
        assert int((classes != here[task]).sum()) <= most, task


def test_counts_are_those_of_the_predictions(device: torch.device) -> None:
    evaluator = Evaluator(backbone_on(device), tasks(), per_task={"val": 64})
    labels, predicted = evaluator.labels("val"), evaluator.predictions("val")
    assert evaluator.correct("val") == {
        task: int((classes == labels[task]).sum()) for task, classes in predicted.items()
    }
    first = evaluator.hits("val", range(16))
    assert {task: len(hits) for task, hits in first.items()} == dict.fromkeys(TASKS, 16)


@pytest.mark.parametrize("full", [False, True], ids=["adapters", "every-weight"])
def test_the_backbone_is_restored_bit_for_bit(full: bool, device: torch.device) -> None:
    backbone = backbone_on(device)
    update = random_update(backbone_on(torch.device("cpu")), 1, full=full)
    before = {name: value.clone() for name, value in backbone.tower.state_dict().items()}
    with Deployment(backbone, update) as deployment:
        for alpha in (0.3, 2.0):
            deployment.set(alpha)
        changed = [
            name
            for name, value in backbone.tower.state_dict().items()
            if not torch.equal(value, before[name])
        ]
        assert len(changed) >= len(update.sites) * 0.9
    after = backbone.tower.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
