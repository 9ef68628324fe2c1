"""What there is of each task on this machine, found without the network and without decoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mergebench.errors import InputError
from mergebench.missing import MissingItem
from mergebench.suites.options import SuiteOptions
from mergebench.suites.split_names import SplitName
from mergebench.suites.vision8.cache import Entry, entry_folder, only_entry, read_entry
from mergebench.suites.vision8.completeness import problems_of
from mergebench.suites.vision8.finding import find_source
from mergebench.suites.vision8.source import Source
from mergebench.suites.vision8.splitting import parts_of
from mergebench.suites.vision8.tasks import TaskRow, split_sizes, task_rows

_NOT_FOUND = "not found"


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """What was found of one task: a source, decoded images (`entry`), or neither.

    `sizes`: images by split, empty if unknown. `problem` says why the task cannot be used; it is
    empty when it can.
    """

    row: TaskRow
    options: SuiteOptions
    source: Source | None = None
    entry: Entry | None = None
    sizes: Mapping[SplitName, int]
    problem: str

    @property
    def absent(self) -> bool:
        """Whether there is nothing of the task, rather than something that cannot be used."""
        return self.problem == _NOT_FOUND

    @property
    def missing(self) -> MissingItem | None:
        """Return what has to be fetched, if anything has to."""
        if not self.problem:
            return None
        return MissingItem(
            name=self.row.name,
            reason=self.problem,
            size=self.row.download,
            command=f"mergebench data fetch {self.row.name}",
            folder=self.options.data_root / self.row.name,
        )

    @property
    def cache_bytes(self) -> int:
        """Return the size of the decoded images, as they are or will be."""
        images = sum((self.sizes or split_sizes(self.row)).values())
        return images * 3 * self.options.resolution**2


def survey(row: TaskRow, options: SuiteOptions) -> TaskState:
    """Look for one task's images: its source first, else what was decoded of a source once."""
    try:
        source = find_source(row, options)
        if source is None:
            return _without_source(row, options)
        entry = read_entry(entry_folder(row, source, options))
        problems = problems_of(row, source, partial=options.partial)
        if problems:
            return TaskState(
                row=row,
                options=options,
                source=source,
                sizes={},
                problem=f"{source}: {', '.join(problems)}",
            )
        parts = parts_of(row, source, cars_leak=options.cars_leak)
        sizes = {name: len(part) for name, part in parts.items()}
    except InputError as error:
        return TaskState(row=row, options=options, sizes={}, problem=str(error))
    return TaskState(row=row, options=options, source=source, entry=entry, sizes=sizes, problem="")


def missing_items(
    tasks: Sequence[str] | None = None, *, options: SuiteOptions | None = None
) -> tuple[MissingItem, ...]:
    """Return what has to be fetched before these tasks of vision8 (None: all) can be loaded.

    Touches neither the network nor the images. Raises `InputError` for an unknown task.
    """
    options = options or SuiteOptions()
    states = [survey(row, options) for row in task_rows(tasks)]
    return tuple(state.missing for state in states if state.missing is not None)


def _without_source(row: TaskRow, options: SuiteOptions) -> TaskState:
    entry = only_entry(row, options)
    problem = _NOT_FOUND
    if entry is not None:
        expected = dict(split_sizes(row))
        if options.cars_leak and row.name == "cars":
            expected["train"] = row.sizes["test"]
        complete = options.partial or dict(entry.sizes) == expected
        problem = "" if complete else f"{entry.folder}: has images of partial data only"
    return TaskState(
        row=row,
        options=options,
        entry=entry,
        sizes=entry.sizes if entry is not None else {},
        problem=problem,
    )
