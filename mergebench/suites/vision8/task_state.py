"""What there is of each task on this machine, found without the network and without decoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mergebench.counting import on_stderr
from mergebench.errors import InputError
from mergebench.suites.data_state import NOT_FOUND, DataState, sizes_text
from mergebench.suites.images import Source, check_decodable
from mergebench.suites.options import SuiteOptions
from mergebench.suites.split_names import SplitName
from mergebench.suites.vision8.cache import Entry, entry_folder, only_entry, read_entry
from mergebench.suites.vision8.completeness import problems_of, without_images
from mergebench.suites.vision8.finding import find_source
from mergebench.suites.vision8.splitting import parts_of
from mergebench.suites.vision8.tasks import TaskRow, split_sizes


@dataclass(frozen=True, kw_only=True)
class TaskState(DataState):
    """What was found of one task: a source, decoded images (`entry`), or neither.

    `sizes`: images by split, empty if unknown.
    """

    suite = "vision8"
    fetching = "mergebench data fetch"

    row: TaskRow
    source: Source | None = None
    entry: Entry | None = None
    sizes: Mapping[SplitName, int]

    @property
    def facts(self) -> Mapping[str, str]:
        """Return source, sizes, and what of the images is decoded."""
        complete = not self.problem
        published = self.source.counts.values() if self.source else ()
        return {
            "task": self.row.name,
            "source": str(self.source or ("decoded before" if complete else "-")),
            "train/val/test": sizes_text(self.sizes.values() or published),
            "expected": sizes_text(split_sizes(self.row).values()),
            "classes": "ok" if complete else "-",
            "decoded": "yes" if self.entry is not None else "no",
            "GB": f"{self.cache_bytes / 1e9:.1f}",
        }

    @property
    def outcome(self) -> str:
        """Return the source, the problem, or that the images are decoded."""
        return str(self.source or self.problem or "decoded before")

    def verify(self) -> None:
        """Read all decoded images, or decode those that will be, and keep none.

        Raises `InputError` for those that differ from the record or cannot be decoded.
        """
        if self.entry is not None:
            self.entry.verify()
        elif self.source is not None and not self.problem:
            check_decodable(self.source.splits, self.row.name, on_stderr)

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
        problems = problems_of(row, source, partial=options.partial)
        parts = {} if problems else parts_of(row, source, cars_leak=options.cars_leak)
        sizes = {name: len(part) for name, part in parts.items()}
        problems = problems or without_images(sizes)
        if problems:
            return TaskState(
                row=row,
                options=options,
                source=source,
                sizes={},
                problem=f"{source}: {', '.join(problems)}",
            )
        entry = read_entry(entry_folder(row, source, options))
    except InputError as error:
        return TaskState(row=row, options=options, sizes={}, problem=str(error))
    return TaskState(row=row, options=options, source=source, entry=entry, sizes=sizes, problem="")


def _without_source(row: TaskRow, options: SuiteOptions) -> TaskState:
    entry = only_entry(row, options)
    problem = NOT_FOUND
    if entry is not None:
        expected = dict(split_sizes(row))
        if options.cars_leak and row.name == "cars":
            expected["train"] = row.sizes["test"]
        complete = options.partial or dict(entry.sizes) == expected
        lacking = ["has images of partial data only"] if not complete else []
        lacking = lacking or without_images(entry.sizes)
        problem = f"{entry.folder}: {', '.join(lacking)}" if lacking else ""
    return TaskState(
        row=row,
        options=options,
        entry=entry,
        sizes=entry.sizes if entry is not None else {},
        problem=problem,
    )


def space_needed(states: Sequence[DataState]) -> str:
    """Say how much the images that are not decoded yet will take, and where."""
    found = [state for state in states if isinstance(state, TaskState)]
    needed = sum(state.cache_bytes for state in found if state.entry is None)
    options = found[0].options
    return (
        f"GB: decoded to {options.resolution} px; {needed / 1e9:.1f} GB still to be written to "
        f"{options.cache}"
    )
