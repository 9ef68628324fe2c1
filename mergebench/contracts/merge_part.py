"""What an attack and the space in which it merges have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mergebench.contracts.plugin import Plugin, require


@dataclass(frozen=True, kw_only=True)
class MergePart(Plugin):
    """An attack or a space.

    `needs_factors`: whether updates have to be adapters, with low-rank factors; full checkpoints
    have none.
    """

    needs_factors: ClassVar[bool] = False

    @classmethod
    def check_class(cls) -> None:
        """Check what every plug-in says of itself, then whether factors are needed."""
        super().check_class()
        needs: object = cls.needs_factors
        require(isinstance(needs, bool), f"needs_factors is {needs!r}; give True or False")
