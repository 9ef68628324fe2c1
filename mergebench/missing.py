"""What has to be fetched before anything can be measured, each thing in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mergebench.errors import InputError


@dataclass(frozen=True, kw_only=True)
class MissingItem:
    """A data set or file that is not there or not complete.

    `size`: bytes to download, about; `command` fetches it; local copies belong into `folder`.
    """

    name: str
    reason: str
    size: int
    command: str
    folder: Path

    def __str__(self) -> str:
        """Return all of it in one line."""
        size = f"{self.size / 1e9:.2f} GB"
        return f"{self.name}: {self.reason} ({size}): `{self.command}`, or copy it to {self.folder}"


def require_nothing(missing: Sequence[MissingItem]) -> None:
    """Raise `InputError` with every missing item in one line, unless there is none."""
    if missing:
        listed = "; ".join(str(item) for item in missing)
        raise InputError(f"{len(missing)} missing: {listed}")
