"""The yardstick of informed attacks: what a merger has without the update that may be protected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mergebench.contracts import InformedMerger, Suspected
from mergebench.updates import MergePath


@dataclass(frozen=True, kw_only=True)
class LeaveOut(InformedMerger):
    """`W0 + α f(τ_i, i ≠ p)`: the rule `f` on all updates but that one.

    No attack, but what every merger can always do: an update that no mixture gains by is protected.
    """

    name: ClassVar[str] = "leave_out"
    paper: ClassVar[str] = "mergebench: the merge that a rational merger compares with"
    takes_protected: ClassVar[bool] = False

    def path(self, given: Suspected) -> MergePath:
        """Return the merge of the others."""
        return MergePath(direction=given.merged(given.others))
