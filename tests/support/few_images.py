"""A plug-in file: a suite of few real images and two attacks, for experiments in any process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from mergebench.contracts import DataMerger, Knowledge, MergeData, Merger
from mergebench.suites import SUITES, Split, Suite, Task, load_mini8
from mergebench.updates.update import Update

SIZES = {"train": 64, "val": 16, "test": 24}


def load_few(tasks=None) -> Suite:
    """Return the first images of two tasks of the embedded suite."""
    return _loaded(tuple(tasks or ("mnist", "fashion")))


@cache
def _loaded(tasks: tuple[str, ...]) -> Suite:
    """Return the suite, of which all images are decoded once in a process."""
    whole = load_mini8(tasks)
    return Suite(name="few", tasks=tuple(map(_few, whole.tasks)), size=whole.size)


def _few(task: Task) -> Task:
    splits = {
        name: Split(inputs=split.inputs[: SIZES[name]], labels=split.labels[: SIZES[name]])
        for name, split in task.splits.items()
    }
    return Task(name=task.name, classes=task.classes, templates=task.templates, splits=splits)


SUITES["few"] = load_few


@dataclass(frozen=True, kw_only=True)
class WeightedSum(Merger):
    """The sum of the updates times `weight`."""

    name: ClassVar[str] = "weighted_sum"
    paper: ClassVar[str] = "none: an example"

    weight: float = 0.5

    def combine(self, stack, site):
        """Return the weighted sum."""
        return self.weight * stack.sum(dim=0)


@dataclass(frozen=True, kw_only=True)
class Brightened(DataMerger):
    """The merge by task arithmetic times the mean brightness of the target's sampled images."""

    name: ClassVar[str] = "brightened"
    paper: ClassVar[str] = "none: an example"
    knowledge: ClassVar[Knowledge] = "informed"

    inputs_per_task: int = 5

    @property
    def starts_from(self):
        """Start from what task arithmetic gives."""
        return "ta@full"

    @property
    def targeted(self):
        """Look at the target's images only."""
        return True

    def merge(self, given: MergeData) -> Update:
        """Return the start, scaled."""
        assert given.start is not None
        (task,) = (task for task in given.tasks if task.name == given.target)
        images = task.splits["train"].inputs
        given.notes["images"] = len(images)
        return given.start.scaled(float(images.double().mean()) / 255)
