"""Peers that stand in for adapters which nobody has at hand."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mergebench.seeding import generator
from mergebench.updates import Dense, LowRank, SiteUpdate, Update


def synthetic_peer(like: Update, number: int, *, seed: int = 0) -> Update:
    """Return a random update with the sites, norms and spectra of `like`.

    Every site keeps its singular values and gets singular vectors drawn uniformly, by (seed,
    number, site); a change that is no matrix keeps its norm and gets a random direction. It has no
    skill: it says what a merge does to `like`, and nothing of what `like` does to a merge.
    """
    sites = {site: _redrawn(site, one, number, seed) for site, one in like.sites.items()}
    return Update(sites=sites, label=f"synthetic {number}")


def _redrawn(site: str, change: SiteUpdate, number: int, seed: int) -> SiteUpdate:
    draws = generator(seed, "synthetic peer", number, site)

    def basis(size: int, rank: int) -> Tensor:
        drawn = torch.randn(size, rank, dtype=torch.float64, generator=draws)
        drawn_basis: Tensor = torch.linalg.qr(drawn).Q
        return drawn_basis.to(change.device)

    if len(change.shape) != 2:
        drawn = torch.randn(change.shape, dtype=torch.float64, generator=draws)
        scale = math.sqrt(change.squared_norm()) / float(drawn.norm())
        return Dense(delta=(scale * drawn).to(change.device, change.dtype))
    rows, columns = change.shape
    values = _singular_values(change)
    left, right = basis(rows, len(values)) * values, basis(columns, len(values)).T
    if isinstance(change, LowRank):
        return LowRank(up=left.to(change.dtype), down=right.to(change.dtype).contiguous())
    return Dense(delta=(left @ right).to(change.dtype))


def _singular_values(change: SiteUpdate) -> Tensor:
    """Return the singular values that may differ from zero, float64."""
    if isinstance(change, LowRank) and change.rank <= min(change.shape):
        left = torch.linalg.qr(change.up.double()).R
        matrix = left @ torch.linalg.qr(change.down.double().T).R.T
    else:
        matrix = change.dense().double()
    values: Tensor = torch.linalg.svdvals(matrix)
    return values
