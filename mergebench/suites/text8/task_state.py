"""What there is of each task on this machine, read without the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mergebench.errors import InputError
from mergebench.suites.data_state import NOT_FOUND, DataState, sizes_text
from mergebench.suites.options import SuiteOptions
from mergebench.suites.text8.building import task_of
from mergebench.suites.text8.finding import FORMATS, files_there, find_source
from mergebench.suites.text8.tasks import TextRow, split_sizes
from mergebench.suites.texts import TextTask


@dataclass(frozen=True, kw_only=True)
class TextState(DataState):
    """What was found of one task: the `task` itself, or a problem; `place` is where it was."""

    suite = "text8"
    fetching = "mergebench data fetch --suite text8"

    row: TextRow
    task: TextTask | None = None
    place: str = ""

    @property
    def facts(self) -> Mapping[str, str]:
        """Return source, sizes, and whether the committed results are of the same texts."""
        splits = () if self.task is None else self.task.splits.values()
        return {
            "task": self.row.name,
            "source": "-" if self.task is None else self.outcome,
            "train/val/test": sizes_text(map(len, splits)),
            "at most": sizes_text(split_sizes(self.row).values()),
            "classes": "-" if self.task is None else str(len(self.task.classes)),
            "as in results": "-" if self.task is None else self._as_measured(self.task),
        }

    @property
    def outcome(self) -> str:
        """Return the source or the problem."""
        return self.problem if self.task is None else f"{self.task.source} in {self.place}"

    def _as_measured(self, task: TextTask) -> str:
        return "yes" if task.sha256 == self.row.measured_sha256 else "no"

    def verify(self) -> None:
        """Nothing of a task is kept beside its source, which was read and checked."""


def survey(row: TextRow, options: SuiteOptions) -> TextState:
    """Look for one task's texts and read them."""
    try:
        source = find_source(row, options)
        if source is None:
            return TextState(row=row, options=options, problem=_what_is_there(row, options))
        task = task_of(row, source, partial=options.partial)
    except InputError as error:
        return TextState(row=row, options=options, problem=str(error))
    return TextState(row=row, options=options, problem="", task=task, place=source.place)


def _what_is_there(row: TextRow, options: SuiteOptions) -> str:
    """Return that nothing was found, or what a folder of local copies has instead."""
    folder = options.data_root / row.name
    names = files_there(folder)
    if not names:
        return NOT_FOUND
    there = f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
    forms = " or .".join(FORMATS)
    return f"{folder}: has {there}; expected train, val and test, or all, as .{forms}"
