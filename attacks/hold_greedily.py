"""An update is held at its nominal scale in those layers in which validation wants it so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from attacks.hold_layers import HoldLayers
from mergebench.errors import check_range

PARTS = 6
"""Runs of neighbouring sites, each of which is held or merged as a whole."""


@dataclass(frozen=True, kw_only=True)
class HoldGreedily(HoldLayers):
    """`hold_layers` with a set `S` that grows by the part of the sites that validates best.

    Those among `share` of the sites are cut into six parts in their order. Each search tries no
    part and each of them beside those in `S`, and leaves the best in `S`, until none is better.
    `held_parts`: those in `S` so far, counted from 0; `adding`: the one that is tried, -1 for none.
    """

    name: ClassVar[str] = "hold_greedily"
    paper: ClassVar[str] = "mergebench: adaptive attack on Trap² (hold layers by validation)"
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"adding": (-1, *range(PARTS))}

    share: float = 1.0
    adding: int = -1
    held_parts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        check_range(f"attack {self.name}: adding", self.adding, -1, PARTS - 1)
        for part in self.held_parts:
            check_range(f"attack {self.name}: held_parts", part, 0, PARTS - 1)

    def turn(self, number: int, count: int) -> Mapping[str, Any] | None:
        """Return the parts to hold from now on; None if the last search added none to them."""
        grown = self.adding >= 0 and self.adding not in self.held_parts
        if not grown or len(self.held_parts) + 1 != number or number == PARTS:
            return None
        return {"held_parts": (*self.held_parts, self.adding), "adding": -1}

    def held(self, sites: Iterable[str]) -> list[str]:
        """Return the sites of `S` in their order."""
        ordered = super().held(sites)
        parts = {*self.held_parts, self.adding}
        return [
            site for place, site in enumerate(ordered) if place * PARTS // len(ordered) in parts
        ]
