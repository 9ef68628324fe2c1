"""What a page says, before anyone decides how it looks. All text is plain and shown as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from mergebench.report.page.origin import Origin
from mergebench.report.page.plots import CurvePlot, DotPlot


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number in a table: `value` sorts, `text` is shown, and `low` to `high` is its interval.

    `interval`: the ends as they are shown, such as `64.9 to 80.4`; empty without one.
    """

    value: float
    text: str
    low: float | None = None
    high: float | None = None
    interval: str = ""
    origin: Origin | None = None


Cell: TypeAlias = Number | str
"""Of a table; an empty text where there is nothing to show."""


@dataclass(frozen=True, kw_only=True)
class PageColumn:
    """A heading; `hint` explains it; `detail`: shown only when readers ask for all columns."""

    name: str
    hint: str = ""
    detail: bool = False


@dataclass(frozen=True, kw_only=True)
class PageTable:
    """A table that readers can sort and filter; the first cell of a row is its heading.

    `note` stands below it. `folded`: closed until it is asked for. Raises `ValueError` where a row
    has not one cell per column.
    """

    caption: str
    columns: tuple[PageColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    folded: bool = False

    def __post_init__(self) -> None:
        """Check that every row has a cell for every column."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"{self.caption}: {len(row)} cells below {len(self.columns)} columns"
                )


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page under a heading, with an entry in its contents.

    In this order: `paragraphs`, `plots`, `tables`, and, closed until they are asked for, the
    `facts` `(what, value)` of how it came about; those called `Command` are shown as code.
    `subtitle`: a few words that tell sections of one title apart.
    """

    title: str
    subtitle: str = ""
    paragraphs: tuple[str, ...] = ()
    plots: tuple[CurvePlot | DotPlot, ...] = ()
    tables: tuple[PageTable, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole page: `title`, a `summary` in sentences that come first, and sections."""

    title: str
    summary: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
