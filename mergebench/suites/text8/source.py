"""What every source of a task offers, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mergebench.suites.texts import Texts


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """The texts of one published file, in its order.

    `out_of_scope`: how many others were left out by their label. `by_number`: whether its labels
    are numbers without names.
    """

    texts: Texts
    out_of_scope: int
    by_number: bool


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the texts of one task were found.

    `format` is what captions state, `place` the folder. `files` has some of the keys `train`,
    `val` and `test`, or only `all`.
    """

    format: str
    place: str
    files: Mapping[str, SourceFile]

    @property
    def counts(self) -> Mapping[str, int]:
        """Return the number of texts by file."""
        return {name: len(file.texts) for name, file in self.files.items()}

    def __str__(self) -> str:
        """Return format and place."""
        return f"{self.format} in {self.place}"
