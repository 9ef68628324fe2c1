"""A CSV as a table of a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mergebench.report.page import Cell, Number, Origin, PageTable
from mergebench.report.results_page.columns import Shown, common, heading, label, shown_columns
from mergebench.report.sheet import Sheet, number

OriginOf = Callable[[int, str], Origin | None]
"""Where the number in a row (by its place) and column (by its name) comes from."""


def page_table(sheet: Sheet, caption: str, origin_of: OriginOf, *, folded: bool) -> PageTable:
    """Return the table, with an origin for every number."""
    columns = shown_columns(sheet)
    return PageTable(
        caption=caption,
        columns=tuple(column.heading for column in columns),
        rows=tuple(
            tuple(_cell(row, column, place, origin_of) for column in columns)
            for place, row in enumerate(sheet.rows)
        ),
        note=_note(sheet),
        folded=folded,
    )


def _cell(row: Mapping[str, str], column: Shown, place: int, origin_of: OriginOf) -> Cell:
    text = row[column.name]
    value = number(text) if column.numeric else None
    if value is None:
        return label(column.name, text)
    low, high = (end_of(row, end) for end in (column.low, column.high))
    deviation = row[column.std] if column.std else ""
    return Number(
        value=value,
        text=f"{text} ± {deviation}" if deviation else text,
        low=low,
        high=high,
        interval=""
        if low is None or high is None
        else f"{row[str(column.low)]} to {row[str(column.high)]}",
        origin=origin_of(place, column.name),
    )


def end_of(row: Mapping[str, str], column: str | None) -> float | None:
    """Return an end of an interval; None where there is none."""
    return number(row[column]) if column else None


def _note(sheet: Sheet) -> str:
    shared = " · ".join(
        f"{heading(column)} {label(column, text)}" for column, text in common(sheet)
    )
    return f"The same in all rows: {shared}." if shared else ""
