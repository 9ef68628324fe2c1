"""CSV files: a line of names, then a text and its label a line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from mergebench.errors import InputError
from mergebench.suites.texts.records import TEXT_COLUMN, Place, Record, checked, label_column

#: What may stand between the values; the second is a spreadsheet's where commas are in numbers.
_DELIMITERS = ",;\t"
_NUMBER = re.compile(r"-?\d{1,9}")
_DECIMAL = re.compile(r"-?\d+\.\d*")


def read_csv(file: Path) -> Iterator[Record]:
    """Yield the records of a file in UTF-8, with or without a byte order mark.

    A label of digits is a number: a CSV file does not say which of the two it is. One with a point
    is no label, as in the other formats. Raises `InputError` naming file and line for what is no
    UTF-8, no CSV with the two columns, or lacks a text or a label.
    """
    if not file.is_file():  # opening a pipe would wait for ever
        raise InputError(f"{file}: not a regular file; put the CSV itself there")
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            yield from _records(file, lines)
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 ({error.reason}); convert it") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from error


def _records(file: Path, lines: TextIO) -> Iterator[Record]:
    first = lines.readline()
    delimiter = next((mark for mark in _DELIMITERS if TEXT_COLUMN in _split(first, mark)), ",")
    names = _split(first, delimiter)
    label, text = names.index(label_column(names, file)), names.index(TEXT_COLUMN)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        # That on which a value with lines of its own starts; the first line is that of the names.
        place = Place(file=file, word="line", number=rows.line_num + 2)
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise InputError(f"{place}: not CSV ({error}); correct it") from error
        if row is None:
            return
        if not row:
            continue
        if len(row) != len(names):
            raise InputError(
                f"{place}: has {len(row)} values, and the first line {len(names)} names; put "
                "quotes around a text that has commas or lines"
            )
        yield checked(place, row[text], _label(row[label]))


def _split(line: str, delimiter: str) -> Sequence[str]:
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]


def _label(text: str) -> str | int | float:
    if _DECIMAL.fullmatch(text.strip()):
        return float(text)
    return int(text) if _NUMBER.fullmatch(text.strip()) else text
