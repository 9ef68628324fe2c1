"""A merge whose layers are as large as those of one update."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Literal

from mergebench.contracts import InformedMerger, Suspected
from mergebench.errors import check_choice
from mergebench.updates import MergePath, Update

Like = Literal["protected", "median"]


@dataclass(frozen=True, kw_only=True)
class RestoreNorms(InformedMerger):
    """`W0 + α D'` with `D' = D ‖τ_p‖ / ‖D‖` at each site and `D = f(all τ_i)`.

    Sums are larger than what is summed, and means smaller, not in all layers alike. `like`: whose
    norm, that of `τ_p`, or the `median` of those of all updates (the lesser of two in the middle).
    A site that the merge leaves as it was stays so.
    """

    name: ClassVar[str] = "restore_norms"
    paper: ClassVar[str] = "mergebench: adaptive attack on Trap² (norm restoration)"

    like: Like = "protected"

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        check_choice(f"attack {self.name}: like", self.like, Like)

    def path(self, given: Suspected) -> MergePath:
        """Return the path of the rescaled merge, ahead of which nothing stays."""
        merged = given.merged(given.updates)
        sites = {}
        for site, change in merged.sites.items():
            norm = sqrt(change.squared_norm())
            sites[site] = change.scaled(self._norm(site, given) / norm) if norm else change
        return MergePath(direction=Update(sites=sites, label=merged.label))

    def _norm(self, site: str, given: Suspected) -> float:
        if self.like == "protected":
            return sqrt(given.protected.sites[site].squared_norm())
        norms = sorted(sqrt(update.sites[site].squared_norm()) for update in given.updates)
        return norms[(len(norms) - 1) // 2]
