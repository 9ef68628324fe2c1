"""The suites whose data sets are found on disk or downloaded; the others come with the package."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from mergebench.suites.data_state import DataState
from mergebench.suites.options import SuiteOptions
from mergebench.suites.rows import DataRow

#: The suites whose data sets do not come with the package; `data check` is about the first.
SUITES_ON_DISK: tuple[str, ...] = ("vision8", "text8")

OWN = "own"
"""The suite that is made of the user's own data, which `SuiteOptions.own` names."""

_DECODED = ("vision8",)


def is_found_on_disk(name: str) -> bool:
    """Whether the data sets of a suite are found on disk, by `SuiteOptions`, or come with it."""
    return name in (*SUITES_ON_DISK, OWN)


def is_decoded(name: str) -> bool:
    """Whether what a suite has on disk is decoded once, to `resolution` and into `cache`."""
    return name in _DECODED


def survey_suite(suite: str, tasks: Sequence[str] | None, options: SuiteOptions) -> list[DataState]:
    """Return what there is of these tasks of a suite on disk, or of all, in the suite's order.

    Touches neither the network nor pixels. Raises `InputError` for an unknown task, and for
    whatever is wrong with data of the user's own.
    """
    room = room_of(suite)
    states = [room.survey(row, options) for row in rows_of(suite, tasks, options)]
    if suite == OWN:
        room.check_names(states, options, whole=tasks is None)
    return states


def fetch_data(state: DataState) -> DataState:
    """Download what a task lacks; return what there is then, whose `problem` tells of failures.

    Raises `UnreachableError` when the hub does not answer.
    """
    found: DataState = room_of(state.suite).fetch(state)
    return found


def rows_of(
    suite: str, tasks: Sequence[str] | None, options: SuiteOptions | None
) -> Sequence[DataRow]:
    """Return the rows of these tasks of a suite on disk, or of all, in its order.

    Raises `InputError` for an unknown task.
    """
    room = room_of(suite)
    rows: Sequence[DataRow] = (
        room.task_rows(tasks, options) if suite == OWN else room.task_rows(tasks)
    )
    return rows


def room_of(suite: str) -> ModuleType:
    """Return the room of a suite whose data are found on disk."""
    from mergebench.suites import own, text8, vision8

    return {"vision8": vision8, "text8": text8, OWN: own}[suite]
