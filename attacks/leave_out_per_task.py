"""The yardstick of coefficients per update: the other updates alone, searched as carefully."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from attacks.parts.coordinate_ascent import OTHERS, CoordinateAscent
from mergebench.contracts import Suspected
from mergebench.updates import MergePath


@dataclass(frozen=True, kw_only=True)
class LeaveOutPerTask(CoordinateAscent):
    """`W0 + f(a_i τ_i, i ≠ p)`, coordinate ascent on `a`: all updates but that one.

    No attack, as `leave_out` is none; what `per_task_coefficients` gains over it is gained by the
    update, and not by searching the others one by one.
    """

    name: ClassVar[str] = "leave_out_per_task"
    paper: ClassVar[str] = "mergebench: the merge that a rational merger compares with"
    takes_protected: ClassVar[bool] = False

    def start(self, count: int) -> tuple[float, ...]:
        """Return 0.3 for each of the others."""
        return (OTHERS,) * (count - 1)

    def path(self, given: Suspected) -> MergePath:
        """Return the merge of the others, each multiplied by its coefficient."""
        return MergePath(direction=given.merged(given.others, self.now(len(given.updates))))
