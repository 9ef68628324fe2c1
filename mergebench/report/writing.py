"""Tables as files: whole or not at all, with the same bytes for the same numbers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mergebench.files import replacing
from mergebench.terminal import printable

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


def write_text(file: Path, text: str) -> Path:
    """Write UTF-8 with `\\n` line ends and return `file`; `InputError` if it cannot be written."""
    return write_bytes(file, text.encode())


def write_bytes(file: Path, content: bytes) -> Path:
    """Write `content` and return `file`; `InputError` if it cannot be written."""
    with replacing(file) as temporary:
        temporary.write_bytes(content)
    return file


def write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a CSV whose first line is `header`; numbers come formatted, as strings or integers.

    Text is written as `csv_text` has it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(csv_text, header))
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"{file.name}: {len(row)} values under {len(header)} columns")
        writer.writerow(map(csv_text, row))
    return write_text(file, text.getvalue())


def settings_text(options: Mapping[str, object]) -> str:
    """Return `key=value` settings as `mergebench merge --set` takes them."""
    return " ".join(f"{name}={_setting(options[name])}" for name in sorted(options))


def _setting(value: object) -> str:
    """Return a value without spaces: the entries of several joined by commas."""
    if isinstance(value, list | tuple):
        return ",".join(map(_setting, value))
    return str(value)


def csv_text(value: object) -> object:
    """Return a value such that no spreadsheet takes it for a formula; numbers as they are.

    Text that begins as formulas do gets an apostrophe in front; `stated_csv_text` takes it away.
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    return printable(f"'{value}" if _FORMULA.match(value) else value)


def stated_csv_text(text: str) -> str:
    """Return what `csv_text` was given, but for steering characters."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text
