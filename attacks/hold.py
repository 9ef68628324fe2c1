"""An update is held at its nominal scale, and the others are merged on top of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mergebench.contracts import InformedMerger, Suspected
from mergebench.updates import MergePath

UP_TO_THE_SUM = (
    *(0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5),
    *(0.6, 0.7, 0.8, 0.9, 1.0),
)
"""Coefficients of the others beside those of the rule: fine ones from 0, which leaves the suspected
model alone, to 1. How large ones are of use depends on the rule: averages ask for more than sums.
"""


@dataclass(frozen=True, kw_only=True)
class Hold(InformedMerger):
    """`W0 + a τ_p + α f(τ_i, i ≠ p)`: a trap that fails at other scales is left at its own.

    `nominal`: a, near 1. With task arithmetic as the rule it is `W0 + a τ_p + α Σ τ_i`.
    """

    name: ClassVar[str] = "hold"
    paper: ClassVar[str] = "mergebench: adaptive attack on Trap² (hold the nominal scale, re-base)"
    grid: ClassVar[dict[str, tuple[float, ...]]] = {"nominal": (0.9, 1.0, 1.1)}
    multipliers: ClassVar[tuple[str, ...]] = ("nominal",)
    more_alphas: ClassVar[tuple[float, ...]] = UP_TO_THE_SUM

    nominal: float = 1.0

    def path(self, given: Suspected) -> MergePath:
        """Return the merge of the others, ahead of which `a τ_p` stays as it is."""
        held = given.protected if self.nominal == 1 else given.protected.scaled(self.nominal)
        return MergePath(direction=given.merged(given.others), fixed=held)
