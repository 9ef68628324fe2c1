"""One row of a file of texts, whatever the file's format: checked, and of one type."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from mergebench.errors import InputError

TEXT_COLUMN = "text"
#: What files call the label; names of classes come before what may be their numbers.
LABEL_COLUMNS = ("label_text", "intent", "category", "coarse_label", "label")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A line or row of a file, from 1; `word` is which of the two."""

    file: Path
    word: str
    number: int

    def __str__(self) -> str:
        """Return what an error line calls it."""
        return f"{self.file}, {self.word} {self.number}"


@dataclass(frozen=True, kw_only=True)
class Record:
    """A text without white space around it, and its label, a class's name or number."""

    place: Place
    text: str
    label: str | int


def label_column(columns: Collection[str], where: object) -> str:
    """Return which of a file's columns is the label.

    Raises `InputError` naming what is there instead, and for one of the two that is there twice.
    """
    found = next((name for name in LABEL_COLUMNS if name in columns), None)
    if found is None or TEXT_COLUMN not in columns:
        raise InputError(
            f"{where}: has {', '.join(map(repr, columns)) or 'nothing'}; expected "
            f"{TEXT_COLUMN!r} and {' or '.join(map(repr, LABEL_COLUMNS))}"
        )
    names = [*columns]
    twice = next((name for name in (TEXT_COLUMN, found) if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{where}: has the column {twice!r} more than once; keep one of them")
    return found


def checked(place: Place, text: object, label: object) -> Record:
    """Return a record; `InputError` for a text or label that is none, empty or of another type."""
    if not isinstance(text, str):
        raise InputError(f"{place}: has {_shown(text)} as its text; correct it, or fetch it again")
    if not text.strip():
        raise InputError(f"{place}: has an empty text; correct it, or fetch it again")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ascii(text[error.start])
        raise InputError(
            f"{place}: its text has {half} alone; correct it, or fetch it again"
        ) from error
    if isinstance(label, bool) or not isinstance(label, str | int):
        raise InputError(
            f"{place}: has the label {_shown(label)}; expected a name or a whole number"
        )
    if isinstance(label, str) and not label.strip():
        raise InputError(f"{place}: has an empty label; correct it, or fetch it again")
    return Record(place=place, text=text.strip(), label=label)


def _shown(value: object) -> str:
    return repr(value)[:40]
