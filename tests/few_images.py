"""A plug-in file: a suite of few real images and one attack, for experiments in any process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mergebench.contracts import Merger
from mergebench.suites import SUITES, Split, Suite, Task, load_mini8

SIZES = {"train": 64, "val": 16, "test": 24}


def load_few(tasks=None) -> Suite:
    """Return the first images of two tasks of the embedded suite."""
    whole = load_mini8(tasks or ("mnist", "fashion"))
    return Suite(name="few", tasks=tuple(map(_few, whole.tasks)), resolution=whole.resolution)


def _few(task: Task) -> Task:
    splits = {
        name: Split(images=split.images[: SIZES[name]], labels=split.labels[: SIZES[name]])
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
