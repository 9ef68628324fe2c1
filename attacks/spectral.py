"""The update that may be protected is filtered by its spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from attacks.hold import UP_TO_THE_SUM
from attacks.parts.factors import singular_triples
from attacks.parts.singular_vectors import GAP, GAPS, numerical_rank
from mergebench.contracts import InformedMerger, Suspected
from mergebench.errors import check_range
from mergebench.updates import (
    Dense,
    LowRank,
    MergePath,
    SiteUpdate,
    Update,
    factors_are_smaller,
    relative_gap,
)


@dataclass(frozen=True, kw_only=True)
class Spectral(InformedMerger):
    """`W0 + τ' + α f(τ_i, i ≠ p)` with `τ' = SVD_k(τ_p)`, or `τ' = τ_p - SVD_k(τ_p)`.

    If a trap lives in a few singular directions, the strongest or the weakest, a model without
    them does the task and is harmless. `kept`: the `k` largest directions of each site where it is
    positive; all but the `-kept` largest where it is negative, or all of an update of which that
    would leave nothing. Changes that are no matrices stay whole. The relative gap of the spectra at
    the cut is noted.
    """

    name: ClassVar[str] = "spectral"
    paper: ClassVar[str] = "mergebench: adaptive attack on Trap² (spectral filter, held)"
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"kept": (1, 2, 4, 8, -1, -2, -4)}
    more_alphas: ClassVar[tuple[float, ...]] = UP_TO_THE_SUM
    smallest: ClassVar[Mapping[str, float]] = GAPS

    kept: int = 8

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        check_range(f"attack {self.name}: kept", self.kept, -1_000_000, 1_000_000)

    def path(self, given: Suspected) -> MergePath:
        """Return the merge of the others, ahead of which the filtered update stays as it is."""
        return MergePath(direction=given.merged(given.others), fixed=self._filtered(given))

    def _filtered(self, given: Suspected) -> Update:
        update = given.protected
        cuts = {site: self._cut(change) for site, change in update.sites.items()}
        if not any(cut.left for cut in cuts.values()):
            return update
        for cut in cuts.values():
            given.note(GAP, cut.gap)
        sites = {site: cut.change for site, cut in cuts.items()}
        return Update(sites=sites, label=update.label)

    def _cut(self, change: SiteUpdate) -> _Cut:
        if len(change.shape) != 2:
            return _Cut(change=change, left=change.squared_norm() > 0)
        left, values, right = singular_triples(change)
        on_host = values.cpu()
        rank = numerical_rank(on_host, change.shape, change.dtype)
        part = slice(self.kept) if self.kept > 0 else slice(-self.kept, None)
        return _Cut(
            change=_product(left[:, part] * values[part], right[:, part], change),
            left=rank > max(0, -self.kept),
            gap=self._gap(on_host, rank),
        )

    def _gap(self, values: Tensor, rank: int) -> float:
        """Return the relative gap at the cut; 0 where nothing but rounding is left."""
        cut = abs(self.kept)
        if self.kept < 0 and 0 < rank <= cut < len(values):
            return 0.0
        return relative_gap(values[:rank], cut)


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """What a filter makes of a site, whether more than rounding is left of it, and the gap."""

    change: SiteUpdate
    left: bool
    gap: float = 1.0


def _product(scaled_left: Tensor, right: Tensor, like: SiteUpdate) -> SiteUpdate:
    """Return `L R^T` in the dtype of `like`, as factors unless it is dense and that is smaller."""
    if right.shape[1] == 0:
        return like.scaled(0.0)
    found = LowRank(up=scaled_left.to(like.dtype), down=right.T.to(like.dtype))
    if isinstance(like, LowRank) or factors_are_smaller(found.shape, found.rank):
        return found
    return Dense(delta=found.dense())


@dataclass(frozen=True, kw_only=True)
class SpectralMerged(Spectral):
    """`W0 + α f(τ_1, ..., τ', ..., τ_T)`: filtered, the update is merged like any other."""

    name: ClassVar[str] = "spectral_merged"
    paper: ClassVar[str] = "mergebench: adaptive attack on Trap² (spectral filter, merged)"
    more_alphas: ClassVar[tuple[float, ...]] = ()

    def path(self, given: Suspected) -> MergePath:
        """Return the merge of all updates, one of them filtered."""
        return MergePath(direction=given.merged(given.with_protected(self._filtered(given))))
