"""Suites by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mergebench.errors import InputError
from mergebench.suites.mini8 import load_mini8, read_manifest
from mergebench.suites.options import SuiteOptions
from mergebench.suites.suite import Suite
from mergebench.suites.vision8 import load_vision8, task_rows

#: Suite name -> loader. A loader takes the wanted task names, or `None` for all of them, and, if
#: its suite can be found and prepared in more than one way, `options=`.
SUITES: Mapping[str, Callable[..., Suite]] = {"mini8": load_mini8, "vision8": load_vision8}


def is_found_on_disk(name: str) -> bool:
    """Whether the images of a suite are found on disk, by `SuiteOptions`, or come with it."""
    return name == "vision8"


def all_tasks(name: str) -> tuple[str, ...]:
    """Return the names of all tasks of a suite, in its order, without loading it."""
    return tuple(
        task.name for task in (task_rows() if name == "vision8" else read_manifest().tasks)
    )


def load_suite(
    name: str, tasks: Sequence[str] | None = None, *, options: SuiteOptions | None = None
) -> Suite:
    """Load a suite by name, or only `tasks` of it in the suite's own order.

    `options`: where the data lie and how they are prepared; None for the defaults, or for a suite
    that comes with the package. Raises `InputError` for an unknown suite or task and for data that
    are missing or fail verification.
    """
    if name not in SUITES:
        raise InputError(f"unknown suite {name!r}: choose one of {', '.join(SUITES)}")
    return SUITES[name](tasks) if options is None else SUITES[name](tasks, options=options)
