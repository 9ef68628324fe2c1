"""A table as cells: rows and grouped columns, before anyone decides how it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mergebench.report.markdown import markdown_text
from mergebench.report.spread import Spread, cell_text


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading under the heading of a group; either may be empty. `short`: where space is dear."""

    group: str = ""
    name: str = ""
    short: str = ""

    @property
    def heading(self) -> str:
        """Return group and name on one line."""
        return f"{self.group} {self.name}".strip()


@dataclass(frozen=True, kw_only=True)
class Row:
    """A label and one value per column, None where nothing was measured.

    `marks`: what stands beside each value, such as the letters of its warnings; empty for none.
    """

    label: str
    values: tuple[Spread | None, ...]
    marks: tuple[str, ...] = ()

    def marked(self) -> Iterator[tuple[Spread | None, str]]:
        """Yield every value with its mark."""
        return zip(self.values, self.marks or ("",) * len(self.values), strict=True)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Rows of numbers under grouped columns; `digits` is the number of decimals shown."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    digits: int = 1

    def __post_init__(self) -> None:
        """Check that every row has a value or None for every column."""
        for row in self.rows:
            if len(row.values) != len(self.columns):
                raise ValueError(
                    f"row {row.label}: {len(row.values)} values, {len(self.columns)} columns"
                )

    @property
    def incomplete(self) -> bool:
        """Whether some cell was not measured."""
        return any(value is None for row in self.rows for value in row.values)


def markdown_table(grid: Grid) -> str:
    """Return a pipe table with right-aligned numbers."""
    lines = [
        ["", *(markdown_text(column.heading) for column in grid.columns)],
        ["---", *("---:" for _ in grid.columns)],
    ]
    for row in grid.rows:
        numbers = (f"{cell_text(v, grid.digits)}{_raised(mark)}" for v, mark in row.marked())
        lines.append([markdown_text(row.label), *numbers])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _raised(mark: str) -> str:
    return f"<sup>{mark}</sup>" if mark else ""
