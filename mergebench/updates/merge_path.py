"""What a merge leaves open: the models `W0 + F + alpha D`, one for each merging coefficient."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from mergebench.updates.update import Dense, LowRank, SiteUpdate, Update, factors_are_smaller


@dataclass(frozen=True, kw_only=True, eq=False)
class MergePath:
    """The updates `F + alpha D` that a merge may be deployed as.

    `direction`: D, which the merging coefficient multiplies. `fixed`: F, which it does not; None
    for nothing, as of every rule that treats all updates alike. Both may lack sites of the other.
    `merged`: what was merged where it is not the updates as they were given, whose norms then say
    nothing about the merge.
    """

    direction: Update
    fixed: Update | None = None
    merged: tuple[Update, ...] = ()

    def at(self, alpha: float) -> Update:
        """Return `F + alpha D`, low-rank where both are and factors are smaller."""
        moved = self.direction.scaled(alpha)
        if self.fixed is None:
            return moved
        sites = dict(self.fixed.sites)
        for site, change in moved.sites.items():
            sites[site] = added(sites[site], change) if site in sites else change
        return Update(sites=sites, label=self.direction.label)

    def norm(self, alpha: float) -> float:
        """Return the Frobenius norm of `F + alpha D` over all sites, computed in float64."""
        if self.fixed is None:
            return abs(alpha) * self.direction.norm()
        return self.at(alpha).norm()


def added(first: SiteUpdate, second: SiteUpdate) -> SiteUpdate:
    """Return the sum of two changes of one site."""
    if (
        isinstance(first, LowRank)
        and isinstance(second, LowRank)
        and factors_are_smaller(first.shape, first.rank + second.rank)
    ):
        up = torch.cat([first.up, second.up], dim=1)
        return LowRank(up=up, down=torch.cat([first.down, second.down]))
    return Dense(delta=first.dense() + second.dense())
