"""Files of JSON lines: one object with a text and its label a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mergebench.errors import InputError
from mergebench.suites.texts.records import TEXT_COLUMN, Place, Record, checked, label_column

#: The longest line that is read; the longest of the eight data sets has about 1,000 bytes.
LINE_BYTES = 1 << 20
_MARK = b"\xef\xbb\xbf"


def read_json_lines(file: Path) -> Iterator[Record]:
    """Yield the records of a file; lines may end as on Windows, and the last ones be blank.

    Raises `InputError` naming file and line for what is no UTF-8, no JSON object, too long, or
    lacks a text or a label.
    """
    if not file.is_file():  # opening a pipe would wait for ever
        raise InputError(f"{file}: not a regular file; put the JSON lines themselves there")
    try:
        with file.open("rb") as lines:
            yield from _records(file, lines)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from error


def _records(file: Path, lines: BinaryIO) -> Iterator[Record]:
    column, number, blank = "", 0, None
    while line := lines.readline(LINE_BYTES + 1):
        number += 1
        place = Place(file=file, word="line", number=number)
        if not line.strip() and len(line) <= LINE_BYTES:
            blank = blank or place
            continue
        if blank is not None:
            raise InputError(f"{blank}: a blank line; delete it")
        found = _object(line, place)
        column = column or label_column(found, place)
        for name in (TEXT_COLUMN, column):
            if name not in found:
                raise InputError(f"{place}: lacks {name!r}; correct it, or fetch the file again")
        yield checked(place, found[TEXT_COLUMN], found[column])


def _object(line: bytes, place: Place) -> dict[str, object]:
    if len(line) > LINE_BYTES:
        raise InputError(f"{place}: longer than {LINE_BYTES:,} bytes; expected one text a line")
    if line.startswith(_MARK):
        raise InputError(f"{place}: starts with a byte order mark; save it as UTF-8 without one")
    try:
        found = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: not UTF-8 at byte {error.start + 1}; convert it") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not JSON; expected an object with text and label") from error
    if not isinstance(found, dict):
        raise InputError(f"{place}: not a JSON object; expected one with text and label")
    return found
