"""What has to be fetched before anything can be measured, each thing in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mergebench.errors import InputError

_SMALL = 10_000_000


@dataclass(frozen=True, kw_only=True)
class MissingItem:
    """A data set or file that is not there or not complete.

    `size`: bytes to download, about; `command` fetches it; local copies belong into `folder`.
    `otherwise`: another way to give it, as the end of a sentence.
    """

    name: str
    reason: str
    size: int
    command: str
    folder: Path
    otherwise: str = ""

    def __str__(self) -> str:
        """Return all of it in one line."""
        size = size_text(self.size)
        text = f"{self.name}: {self.reason} ({size}): `{self.command}`, or copy it to {self.folder}"
        return f"{text}, {self.otherwise}" if self.otherwise else text


class MissingItemsError(InputError):
    """Everything that has to be fetched before the command can run."""

    def __init__(self, *items: MissingItem) -> None:
        super().__init__(*items)
        self.items = items

    def __str__(self) -> str:
        """Return all items in one line."""
        return f"{len(self.items)} missing: {'; '.join(map(str, self.items))}"

    def lines(self) -> list[str]:
        """Return how many items there are and how large, then a line for each."""
        size = size_text(sum(item.size for item in self.items))
        return [f"{len(self.items)} missing, {size}:", *map(str, self.items)]


def size_text(size: int) -> str:
    """Return a number of bytes as messages show it.

    >>> size_text(12_000_000), size_text(420_000)
    ('0.01 GB', '0.4 MB')
    """
    return f"{size / 1e6:.1f} MB" if size < _SMALL else f"{size / 1e9:.2f} GB"


def require_nothing(missing: Sequence[MissingItem]) -> None:
    """Raise `MissingItemsError` with every missing item, unless there is none."""
    if missing:
        raise MissingItemsError(*missing)
