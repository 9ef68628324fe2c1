"""What the tasks of suites are called, which is known without loading any."""

from __future__ import annotations

from mergebench.suites.mini8 import read_manifest
from mergebench.suites.on_disk import is_found_on_disk, rows_of
from mergebench.suites.options import SuiteOptions


def all_tasks(name: str, options: SuiteOptions | None = None) -> tuple[str, ...]:
    """Return the names of all tasks of a suite, in its order, without loading it.

    `options`: as of `load_suite`.
    """
    if not is_found_on_disk(name):
        return tuple(task.name for task in read_manifest().tasks)
    return tuple(row.name for row in rows_of(name, None, options))
