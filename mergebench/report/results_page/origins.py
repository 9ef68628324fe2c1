"""Where the numbers of a table come from: a cell of its own, several, or its command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mergebench.report.page import Origin
from mergebench.report.results_page.cells import Cells, record_text
from mergebench.report.results_page.columns import HIGH, LOW, heading, label
from mergebench.report.results_page.means import KEYS, accuracy, mean_of
from mergebench.report.results_page.words import Words
from mergebench.report.sheet import Sheet
from mergebench.report.spread import fixed

COUNTED = frozenset({"seed", "correct", "total"})
"""Columns of tables whose rows are cells."""

_WHERE = ("task", "target")
_FACTS = (
    *("others_accuracy", "all_accuracy"),
    *("alpha", "options", "points", "protocol", "warnings"),
)


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
        """Return the origin of a number that is a mean of rows of `counted`; None if it is not."""
        mean = mean_of(row, column, counted)
        if mean is None:
            return None
        parts = tuple(origins[place] for place in mean.places)
        if len(parts) == 1:
            return parts[0]
        over = f"mean over {len(parts)} counts"
        if mean.column != "accuracy":
            over = f"{heading(mean.column)}, mean over {len(parts)} merges"
        return Origin(
            title=f"{_title(mean.about)}: {over}",
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
            title=f"{_title(row, *_WHERE)}, seed {row['seed']}",
            command=self.words.fact("Command"),
            facts=(*facts, *self._dated()),
            record=record_text(cell) if cell else "",
        )

    def _dated(self) -> tuple[tuple[str, str], ...]:
        date = self.words.fact("Date")
        return (("date", date),) if date else ()


def _with_interval(row: Mapping[str, str]) -> str:
    low, high = row.get(LOW), row.get(HIGH)
    text = row.get("accuracy") or fixed(accuracy(row), 2)
    return f"{text}, 95 % from {low} to {high}" if low and high else text


def _title(row: Mapping[str, str], *where: str) -> str:
    """Return what a row is about and where it was counted, in a few words."""
    return " · ".join(label(name, row[name]) for name in (*KEYS, *where) if row.get(name))
