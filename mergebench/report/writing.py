"""Tables as files: whole or not at all, with the same bytes for the same numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from mergebench.files import replacing


def write_text(file: Path, text: str) -> Path:
    """Write UTF-8 with `\\n` line ends and return `file`; `InputError` if it cannot be written."""
    return write_bytes(file, text.encode())


def write_bytes(file: Path, content: bytes) -> Path:
    """Write `content` and return `file`; `InputError` if it cannot be written."""
    with replacing(file) as temporary:
        temporary.write_bytes(content)
    return file


def write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a CSV whose first line is `header`; numbers come formatted, as strings or integers."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"{file.name}: {len(row)} values under {len(header)} columns")
        writer.writerow(row)
    return write_text(file, text.getvalue())
