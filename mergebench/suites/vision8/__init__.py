"""The paper's eight data sets: found on this machine, verified, split and decoded once."""

from __future__ import annotations

from mergebench.suites.vision8.loading import load_vision8
from mergebench.suites.vision8.survey import TaskState, missing_items, survey
from mergebench.suites.vision8.tasks import TASKS, TaskRow, task_rows

__all__ = [
    "TASKS",
    "TaskRow",
    "TaskState",
    "load_vision8",
    "missing_items",
    "survey",
    "task_rows",
]
