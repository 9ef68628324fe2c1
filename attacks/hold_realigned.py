"""A rearranged checkpoint is put back beside the pretrained weights, and held there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from attacks.hold import UP_TO_THE_SUM
from attacks.realign import Realign
from mergebench.contracts import Suspected
from mergebench.updates import MergePath


@dataclass(frozen=True, kw_only=True)
class HoldRealigned(Realign):
    """`W0 + a τ'_p + α f(τ_i, i ≠ p)`: `hold` of what `realign` makes of the protected checkpoint.

    `nominal`: a, near 1; `method`: as of `realign`. Against a checkpoint that nothing rearranged it
    is `hold`; against one whose trap is rearranged as well it undoes the one and evades the other.
    """

    name: ClassVar[str] = "hold_realigned"
    version: ClassVar[int] = 1
    paper: ClassVar[str] = "mergebench: realign, then hold the nominal scale"
    grid: ClassVar[dict[str, tuple[float, ...]]] = {"nominal": (0.9, 1.0, 1.1)}
    multipliers: ClassVar[tuple[str, ...]] = ("nominal",)
    more_alphas: ClassVar[tuple[float, ...]] = UP_TO_THE_SUM

    nominal: float = 1.0

    def path(self, given: Suspected) -> MergePath:
        """Return the merge of the others, ahead of which `a τ'_p` stays as it is."""
        undone = self.undone(given)
        held = undone if self.nominal == 1 else undone.scaled(self.nominal)
        return MergePath(direction=given.merged(given.others), fixed=held)
