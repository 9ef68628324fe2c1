"""Whatever a merge does to an update's own direction is undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from attacks.hold import UP_TO_THE_SUM
from mergebench.contracts import InformedMerger, Suspected
from mergebench.errors import check_choice
from mergebench.updates import Dense, MergePath, SiteUpdate, Update, inner

Per = Literal["site", "model"]


@dataclass(frozen=True, kw_only=True)
class Restore(InformedMerger):
    """`W0 + τ_p + α (D - c τ_p)` with `c = <D, τ_p> / ‖τ_p‖²` and `D = f(all τ_i)`.

    The merge keeps all that is orthogonal to `τ_p`, and has along `τ_p` what the protected model
    has. `per`: c of each site, or one for the whole model.
    """

    name: ClassVar[str] = "restore"
    paper: ClassVar[str] = "mergebench: adaptive attack on Trap² (component restoration)"
    more_alphas: ClassVar[tuple[float, ...]] = UP_TO_THE_SUM

    per: Per = "site"

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        check_choice(f"attack {self.name}: per", self.per, Per)

    def path(self, given: Suspected) -> MergePath:
        """Return the path; a site that `τ_p` does not change stays as merged."""
        merged, held = given.merged(given.updates), given.protected
        whole = self._share(merged, held) if self.per == "model" else None
        sites = {
            site: self._restored(change, held.sites[site], whole)
            for site, change in merged.sites.items()
        }
        return MergePath(direction=Update(sites=sites, label=merged.label), fixed=held)

    def _share(self, merged: Update, held: Update) -> float:
        """Return c of the whole model; 0 where there is nothing to restore."""
        norm = sum(change.squared_norm() for change in held.sites.values())
        along = (
            inner(Dense(delta=change.dense()), Dense(delta=held.sites[site].dense()))
            for site, change in merged.sites.items()
        )
        return sum(along) / norm if norm else 0.0

    def _restored(self, change: SiteUpdate, held: SiteUpdate, share: float | None) -> Dense:
        """Return `D - c τ_p` of a site, with its own c where none is given."""
        whole, own = Dense(delta=change.dense()), Dense(delta=held.dense())
        if share is None:
            norm = held.squared_norm()
            share = inner(whole, own) / norm if norm else 0.0
        return Dense(delta=whole.delta - share * own.delta)
