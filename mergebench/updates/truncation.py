"""An update cut to a rank, as an adapter must be."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mergebench.errors import InputError, shape_text
from mergebench.updates.update import LowRank, SiteUpdate, Update

LEAST_GAP = 1e-6
"""Below this relative gap float32's rounding of an update, 1e-7, turns the vectors at a cut by a
tenth or more: which of them are kept is then rounding. Equal singular values lie far below it; the
spectra of random updates have gaps down to 1e-5 somewhere."""


def relative_gap(values: Tensor, kept: int) -> float:
    """Return `(s_k - s_{k+1}) / s_k` at the cut of a spectrum after its `k = kept` leading values.

    `values`: `(n,)`, descending. Near 0 the vectors that are kept are a matter of rounding. It is 1
    where nothing is cut, or nothing kept, and 0 where `s_k` itself is zero.
    """
    if not 0 < kept < len(values):
        return 1.0
    last, following = float(values[kept - 1]), float(values[kept])
    return (last - following) / last if last > 0 else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Truncated:
    """An update of which leading singular directions remain: `kept` of its squared norm.

    `gap`: the smallest relative gap at the cuts; to cut what is rounding is no cut.
    """

    update: Update
    kept: float
    gap: float


def truncated(update: Update, rank: int, sites: Collection[str]) -> Truncated:
    """Return the best approximation of rank `rank` of every site of `update`, as factors.

    `up` is `U Σ`, as PEFT's `svd` has it; what has no larger rank stays as it is. `sites`: those
    that an adapter may change. Raises `InputError` naming a site for any other.
    """
    changes: dict[str, SiteUpdate] = {}
    before = after = 0.0
    gap = 1.0
    for site, change in update.sites.items():
        if site not in sites or len(change.shape) != 2:
            raise InputError(
                f"{site} of shape {shape_text(change.shape)} is changed, which is the weight of no "
                "linear that an adapter has factors for: leave --rank out"
            )
        if isinstance(change, LowRank) and change.rank <= rank:
            values, cut = torch.tensor([change.squared_norm()]).sqrt(), change
        else:
            values, cut = _cut(change, rank)
            gap = min(gap, _gap(values, rank, change))
        changes[site] = cut
        before += float(values.square().sum())
        after += float(values[:rank].square().sum())
    share = after / before if before > 0 else 1.0
    return Truncated(update=replace(update, sites=changes), kept=share, gap=gap)


def leading(update: Update, share: float) -> Truncated:
    """Return the leading singular directions of every matrix of `update`, as factors.

    Of each the fewest that hold at least `share`, from 0 to 1, of its squared norm; other tensors
    stay as they are.
    """
    changes: dict[str, SiteUpdate] = {}
    before = after = 0.0
    gap = 1.0
    for site, change in update.sites.items():
        if len(change.shape) != 2:
            changes[site] = change
            before += change.squared_norm()
            after += change.squared_norm()
            continue
        values, whole = _cut(change, min(change.shape))
        held = values.square().cumsum(0)
        rank = int((held < share * held[-1]).sum()) + 1
        changes[site] = LowRank(up=whole.up[:, :rank], down=whole.down[:rank])
        before += float(held[-1])
        after += float(held[rank - 1])
        gap = min(gap, _gap(values, rank, change))
    kept = after / before if before > 0 else 1.0
    return Truncated(update=replace(update, sites=changes), kept=kept, gap=gap)


def _gap(values: Tensor, kept: int, change: SiteUpdate) -> float:
    """Return the relative gap at a cut of the spectrum of `change`, without what is rounding."""
    rounding = values[0] * max(change.shape) * torch.finfo(change.dtype).eps
    return relative_gap(values[values > rounding], kept)


def _cut(change: SiteUpdate, rank: int) -> tuple[Tensor, LowRank]:
    """Return all singular values, float64, and the factors of the leading ones."""
    left, middle, right = _compact(change)
    vectors, values, rows = torch.linalg.svd(middle, full_matrices=False)
    up = (left @ vectors[:, :rank] if left is not None else vectors[:, :rank]) * values[:rank]
    down = rows[:rank] if right is None else rows[:rank] @ right.T
    return values, LowRank(up=up.to(change.dtype), down=down.to(change.dtype).contiguous())


def _compact(change: SiteUpdate) -> tuple[Tensor | None, Tensor, Tensor | None]:
    """Return `left`, `middle` and `right` with `ΔW = left middle rightᵀ`, float64, orthonormal
    sides; None stands for the identity."""
    if not isinstance(change, LowRank) or change.rank >= min(change.shape):
        return None, change.dense().double(), None
    left, up = torch.linalg.qr(change.up.double())
    right, down = torch.linalg.qr(change.down.double().T)
    return left, up @ down.T, right
