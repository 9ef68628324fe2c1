"""What an attack and the space in which it merges have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mergebench.contracts.plugin import Plugin, is_number, require


@dataclass(frozen=True, kw_only=True)
class MergePart(Plugin):
    """An attack or a space.

    `needs_factors`: whether updates have to be adapters, with low-rank factors; full checkpoints
    have none. `smallest` says below which value a note that it leaves makes a result doubtful.
    """

    needs_factors: ClassVar[bool] = False
    smallest: ClassVar[Mapping[str, float]] = {}

    @classmethod
    def check_class(cls) -> None:
        """Check what every plug-in says of itself, then whether factors are needed, and notes."""
        super().check_class()
        needs: object = cls.needs_factors
        require(isinstance(needs, bool), f"needs_factors is {needs!r}; give True or False")
        smallest: object = cls.smallest
        require(
            isinstance(smallest, Mapping) and all(map(is_number, smallest.values())),
            f"smallest is {smallest!r}; give a mapping of numbers",
        )
