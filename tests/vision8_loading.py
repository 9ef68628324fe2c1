"""Miniatures of the tasks of vision8, loaded from what tests wrote."""

from __future__ import annotations

from mergebench.counting import silently
from mergebench.suites import SuiteOptions, Task
from mergebench.suites.vision8 import load_vision8, survey
from mergebench.suites.vision8.tasks import TASKS, task_rows

NAMES = tuple(row.name for row in TASKS)
WITH_VALIDATION = ("dtd", "eurosat", "resisc45", "aircraft")
SIDE = 16


def sizes_of(task: str) -> dict[str, int]:
    return (
        {"train": 13, "val": 7, "test": 9} if task in WITH_VALIDATION else {"train": 13, "test": 11}
    )


def load(task: str, options: SuiteOptions) -> Task:
    return load_vision8([task], options=options, counting=silently).tasks[0]


def content(task: Task, split: str) -> list[tuple[bytes, int]]:
    """Return the images and labels of a split whatever their order."""
    data = task.splits[split]
    images = (image.numpy().tobytes() for image in data.images)
    return sorted(zip(images, data.labels.tolist(), strict=True))


def state_of(task: str, options: SuiteOptions):
    return survey(task_rows([task])[0], options)
