"""Whatever a merge does to an update's own direction is undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from attacks.hold import COEFFICIENTS
from mergebench.contracts import InformedMerger, Suspected
from mergebench.errors import InputError
from mergebench.updates import Dense, MergePath, Update, inner

Per = Literal["site", "model"]


@dataclass(frozen=True, kw_only=True)
class Restore(InformedMerger):
    """`W0 + τ_p + α (D - c τ_p)` with `c = <D, τ_p> / ‖τ_p‖²` and `D = f(all τ_i)`.

    The merge keeps all that is orthogonal to `τ_p`, and has along `τ_p` what the protected model
    has. `per`: c of each site, or one for the whole model.
    """

    name: ClassVar[str] = "restore"
    paper: ClassVar[str] = "mergebench: adaptive attack on Trap² (component restoration)"
    alphas: ClassVar[tuple[float, ...]] = COEFFICIENTS

    per: Per = "site"

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        if self.per not in get_args(Per):
            raise InputError(f"attack {self.name}: per is {self.per!r}; choose site or model")

    def path(self, given: Suspected) -> MergePath:
        """Return the path; a site that `τ_p` does not change stays as merged."""
        merged, held = given.merged(given.updates), given.protected
        along = {site: inner(change, held.sites[site]) for site, change in merged.sites.items()}
        norms = {site: change.squared_norm() for site, change in held.sites.items()}
        share = _shares(along, norms, self.per)
        sites = {
            site: Dense(delta=change.dense() - share[site] * held.sites[site].dense())
            for site, change in merged.sites.items()
        }
        return MergePath(direction=Update(sites=sites, label=merged.label), fixed=held)


def _shares(along: Mapping[str, float], norms: Mapping[str, float], per: Per) -> dict[str, float]:
    """Return c by site; 0 where there is nothing to restore."""
    if per == "model":
        whole = sum(norms.values())
        return dict.fromkeys(along, sum(along.values()) / whole if whole else 0.0)
    return {site: along[site] / norms[site] if norms[site] else 0.0 for site in along}
