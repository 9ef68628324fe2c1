"""Tasks as they are used: read from the first source that has them."""

from __future__ import annotations

from collections.abc import Sequence

from mergebench.missing import require_nothing
from mergebench.suites.options import SuiteOptions
from mergebench.suites.text8.task_state import survey
from mergebench.suites.text8.tasks import TextRow, task_rows
from mergebench.suites.texts import TextTask


def read_tasks(
    tasks: Sequence[str] | None = None, *, options: SuiteOptions | None = None
) -> tuple[TextTask, ...]:
    """Return these tasks of text8, or all, in the suite's order.

    The same texts give the same splits in the same order, whatever the source's order and format;
    but of duplicates that are spelt or labelled differently the first is kept.
    Raises `InputError` for an unknown task and, in one message, for all data that are missing,
    damaged or of other sizes or classes.
    """
    return _read(task_rows(tasks), options or SuiteOptions())


def read_task(row: TextRow, options: SuiteOptions) -> TextTask:
    """Return one task; raises `InputError` as `read_tasks` does."""
    return _read([row], options)[0]


def _read(rows: Sequence[TextRow], options: SuiteOptions) -> tuple[TextTask, ...]:
    states = [survey(row, options) for row in rows]
    require_nothing([state.missing for state in states if state.missing is not None])
    return tuple(state.task for state in states if state.task is not None)
