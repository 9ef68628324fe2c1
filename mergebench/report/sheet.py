"""The CSV files of a folder of results, as they were written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mergebench.errors import InputError
from mergebench.files import read_bounded
from mergebench.report.writing import stated_csv_text

_LARGEST = 16 * 2**20
"""Bytes of a CSV: a page of more than that nobody reads."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table as it stands in `file`; the text of every row by column."""

    file: Path
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...] = field(repr=False)

    def values(self, column: str) -> tuple[str, ...]:
        """Return the texts of a column."""
        return tuple(row[column] for row in self.rows)

    def is_numeric(self, column: str) -> bool:
        """Whether all that stands in a column are numbers, and something does."""
        stated = [text for text in self.values(column) if text]
        return bool(stated) and all(number(text) is not None for text in stated)


def number(text: str) -> float | None:
    """Return what a text is as a finite number; None for other text."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def read_sheet(file: Path) -> Sheet:
    """Return the table in a CSV file.

    Raises `InputError` naming the file, and the line where a row does not fit the columns.
    """
    try:
        text = read_bounded(file, _LARGEST).decode("utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text in UTF-8: write the table again") from error
    except csv.Error as error:
        raise InputError(f"{file} is no CSV ({error}): write the table again") from error
    if not lines:
        raise InputError(f"{file} is empty: write the table again")
    columns = tuple(map(stated_csv_text, lines[0]))
    if len(set(columns)) < len(columns):
        raise InputError(f"{file} has two columns of one name: write the table again")
    return Sheet(file=file, columns=columns, rows=tuple(_rows(file, columns, lines)))


def _rows(file: Path, columns: tuple[str, ...], lines: list[list[str]]) -> Iterator[dict[str, str]]:
    for place, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        if len(line) != len(columns):
            raise InputError(
                f"{file}, line {place}: {len(line)} values under {len(columns)} columns: "
                "write the table again"
            )
        yield dict(zip(columns, map(stated_csv_text, line), strict=True))
