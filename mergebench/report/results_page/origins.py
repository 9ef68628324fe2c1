"""Where the numbers of a table come from: a cell of its own, several, or its command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mergebench.report.page import Origin
from mergebench.report.results_page.cells import Cells, record_text
from mergebench.report.results_page.columns import HIGH, LOW, heading, label
from mergebench.report.results_page.words import Words
from mergebench.report.sheet import Sheet

COUNTED = frozenset({"seed", "correct", "total"})
"""Columns of tables whose rows are cells."""

_TITLE = ("row", "attack", "space", "protection", "knowledge", "data", "task", "target")
_KEYS = ("row", "attack", "space", "protection")
_FACTS = ("alpha", "options", "points", "protocol", "warnings")


def is_counted(sheet: Sheet) -> bool:
    """Whether every row is a cell: one merge for one target, or one model on one task."""
    about = {"row", "task"} if "row" in sheet.columns else {"attack", "space", "target"}
    return set(sheet.columns) >= COUNTED | about and "images_per_class" not in sheet.columns


@dataclass
class Origins:
    """Makes origins of the numbers of one section; `lacking` counts rows without a cell."""

    words: Words
    cells: Cells
    found: int = 0
    lacking: int = field(default=0)

    def of_cells(self, sheet: Sheet) -> list[Origin]:
        """Return an origin per row of a table whose rows are cells."""
        return [self._cell(sheet, row, line) for line, row in enumerate(sheet.rows, start=2)]

    def of_table(self, sheet: Sheet) -> Origin:
        """Return the one origin that all numbers of a table share whose rows are no cells."""
        return Origin(
            title=self.words.title,
            command=self.words.fact("Command"),
            facts=(("file", sheet.file.name), *self._dated()),
        )

    def of_mean(
        self, row: Mapping[str, str], column: str, counted: Sheet, origins: list[Origin]
    ) -> Origin | None:
        """Return the origin of a number of which `counted` has the cells; None if it has none.

        In a table with a column per task they are those of that task alone.
        """
        tasks = set(counted.values("task")) if "task" in counted.columns else set()
        parts = tuple(
            origin
            for other, origin in zip(counted.rows, origins, strict=True)
            if all(row[key] == other[key] for key in _KEYS if key in row and key in other)
            and (column not in tasks or other["task"] == column)
        )
        if len(parts) <= 1:
            return parts[0] if parts else None
        return Origin(
            title=f"{row_title(row)}: mean over {len(parts)} counts",
            command=self.words.fact("Command"),
            facts=self._dated(),
            parts=parts,
        )

    def _cell(self, sheet: Sheet, row: Mapping[str, str], line: int) -> Origin:
        cell = self.cells.of(row, self.words) if self.cells else None
        facts = [(heading("accuracy"), _with_interval(row))]
        facts += [(heading(name), row[name]) for name in _FACTS if row.get(name)]
        facts.append(("correct", f"{row['correct']} of {row['total']} test inputs"))
        facts.append(("file", f"{sheet.file.name}, line {line}"))
        if cell:
            self.found += 1
            facts.append(("cell", f"cells/{cell.key}.json of the store"))
        else:
            self.lacking += 1
            if self.cells:
                facts.append(("cell", "not in the store; the command measures it"))
        return Origin(
            title=f"{row_title(row)}, seed {row['seed']}",
            command=self.words.fact("Command"),
            facts=(*facts, *self._dated()),
            record=record_text(cell) if cell else "",
        )

    def _dated(self) -> tuple[tuple[str, str], ...]:
        date = self.words.fact("Date")
        return (("date", date),) if date else ()


def _with_interval(row: Mapping[str, str]) -> str:
    low, high = row.get(LOW), row.get(HIGH)
    text = row.get("accuracy", "")
    return f"{text}, 95 % from {low} to {high}" if low and high else text


def row_title(row: Mapping[str, str]) -> str:
    """Return what a row is about, in a few words."""
    return " · ".join(label(name, row[name]) for name in _TITLE if row.get(name))
