"""Miniatures of the tasks of vision8, loaded from what tests wrote."""

from __future__ import annotations

from pathlib import Path

from mergebench.counting import silently
from mergebench.suites import Suite, SuiteOptions, Task
from mergebench.suites.vision8 import load_vision8, survey
from mergebench.suites.vision8.tasks import TASKS, task_rows

NAMES = tuple(row.name for row in TASKS)
WITH_VALIDATION = ("dtd", "eurosat", "resisc45", "aircraft")
SIDE = 16


def sizes_of(task: str) -> dict[str, int]:
    return (
        {"train": 13, "val": 7, "test": 9} if task in WITH_VALIDATION else {"train": 13, "test": 11}
    )


def load_one(options: SuiteOptions, task: str = "mnist") -> Suite:
    """Return the suite of one task."""
    return load_vision8([task], options=options, counting=silently)


def load(task: str, options: SuiteOptions) -> Task:
    return load_one(options, task).tasks[0]


def entry_folder(options: SuiteOptions, task: str = "mnist") -> Path:
    """Return the folder of the cache that holds the task's images."""
    (folder,) = (path for path in (options.cache / "vision8" / task).iterdir() if path.is_dir())
    return folder


def content(task: Task, split: str) -> list[tuple[bytes, int]]:
    """Return the images and labels of a split whatever their order."""
    data = task.splits[split]
    images = (image.numpy().tobytes() for image in data.inputs)
    return sorted(zip(images, data.labels.tolist(), strict=True))


def state_of(task: str, options: SuiteOptions):
    return survey(task_rows([task])[0], options)
