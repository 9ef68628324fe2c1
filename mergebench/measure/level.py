"""Levels of a threat model: what an attacker knows and is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from mergebench.contracts import DataUse, Knowledge


@dataclass(frozen=True, kw_only=True)
class Level:
    """What an attacker knows and is given, and the attacks that need all of it, cheap first.

    `attacks`: as `attack@space`.
    """

    knowledge: Knowledge
    data: DataUse
    attacks: tuple[str, ...]

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.knowledge}, {'no' if self.data == 'none' else self.data} data"

    def allows(self, other: Level) -> bool:
        """Whether who is at this level can run the attacks of `other` as well."""
        return all(
            get_args(kinds).index(mine) >= get_args(kinds).index(theirs)
            for kinds, mine, theirs in (
                (Knowledge, self.knowledge, other.knowledge),
                (DataUse, self.data, other.data),
            )
        )
