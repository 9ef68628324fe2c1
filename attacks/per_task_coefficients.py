"""Every update has a coefficient of its own, which are searched one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from attacks.parts.coordinate_ascent import OTHERS, CoordinateAscent
from mergebench.contracts import Suspected
from mergebench.updates import MergePath


@dataclass(frozen=True, kw_only=True)
class PerTaskCoefficients(CoordinateAscent):
    """`W0 + f(a_1 τ_1, ..., a_T τ_T)`, coordinate ascent on `a`; the sum `Σ a_i τ_i` for TA.

    The first coefficient is that of `τ_p`, which starts at 1, then come those of the others in
    their order. A search may put another update out, but never `τ_p`: the best mixture without it
    is what a merger has anyway (`leave_out_per_task`).
    """

    name: ClassVar[str] = "per_task_coefficients"
    paper: ClassVar[str] = "mergebench: adaptive attack on Trap² (a coefficient per update)"
    version: ClassVar[int] = 2

    value: float = 1.0

    @property
    def visited(self) -> Mapping[str, tuple[float, ...]]:
        """The grid, without 0 for the coefficient of `τ_p`."""
        if self.moving > 0:
            return self.grid
        return {"value": tuple(value for value in self.grid["value"] if value != 0)}

    def start(self, count: int) -> tuple[float, ...]:
        """Return 1 for `τ_p` and 0.3 for each of the others."""
        return (1.0, *[OTHERS] * (count - 1))

    def path(self, given: Suspected) -> MergePath:
        """Return the merge of the updates, each multiplied by its coefficient."""
        own, *others = self.now(len(given.updates))
        factors = (*others[: given.place], own, *others[given.place :])
        return MergePath(direction=given.merged(given.updates, factors))
