"""Trap² that pushes no further than needed and ends with plain steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from protections.trap2 import Trap2


@dataclass(frozen=True, kw_only=True)
class CappedTrap2(Trap2):
    """`trap2` with our additions switched on: a cap, an end of the trap, and a narrower range.

    An input whose scaled loss exceeds `cap` times the loss of guessing is not pushed further, which
    allows a larger `strength`; from the fraction `until` of the steps on, training is plain, which
    wins back accuracy at nominal scale while the trap stays; scales near 1, which cannot fail
    without failing at 1, and far above it, where plain updates begin to fail too, are not drawn.
    The defaults were chosen on validation texts of `minilm` (docs/minilm.md).
    """

    name: ClassVar[str] = "trap2_capped"
    title: ClassVar[str] = "Trap², capped"
    paper: ClassVar[str] = f"{Trap2.paper}, with additions of mergebench"

    strength: float = 0.5
    scale_max: float = 1.5
    band: float = 0.2
    cap: float = 1.2
    until: float = 0.5
