"""Merging the updates themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attacks.parts.factors import all_low_rank, by_update, stacked_down, stacked_up
from mergebench.contracts import Encoded, Space
from mergebench.updates import Dense, LowRank, SiteUpdate, factors_are_smaller


@dataclass(frozen=True, kw_only=True)
class Full(Space):
    """The weight space itself: the representatives are the dense updates `τ_i`, `(m, n)`.

    For a rotation-invariant rule, low-rank updates are written exactly in coordinates of their
    joint column and row spaces, `τ_i = Q_B M_i Q_Aᵀ`, in float64; a rule's `K` stays `min(m, n)`.
    """

    name: ClassVar[str] = "full"
    title: ClassVar[str] = "Full"
    paper: ClassVar[str] = "Ilharco et al., 2023, https://arxiv.org/abs/2212.04089"

    def encode(self, updates: Sequence[SiteUpdate], *, rotation_invariant: bool) -> Encoded:
        """Return the dense updates in their dtype, or their float64 core coordinates."""
        if rotation_invariant and all_low_rank(updates):
            return _core_coordinates(updates)
        (rows, columns), first = updates[0].shape, updates[0]
        stack = torch.empty(len(updates), rows, columns, dtype=first.dtype, device=first.device)
        for update, dense in zip(updates, stack, strict=True):
            update.dense_into(dense)
        return Encoded(stack=stack, shape=(rows, columns), separate=True)

    def weighted_sum(
        self, updates: Sequence[SiteUpdate], weights: Sequence[float]
    ) -> SiteUpdate | None:
        """Return the factors of low-rank updates side by side, `[w_1 B_1 ...] [A_1; ...]`.

        Where their product is smaller, that is formed. None for dense updates.
        """
        if not all_low_rank(updates):
            return None
        pairs = zip(updates, weights, strict=True)
        ups = [update.up if weight == 1 else update.up * weight for update, weight in pairs]
        downs = [update.down for update in updates]
        total = LowRank(up=torch.cat(ups, dim=1), down=torch.cat(downs))
        if factors_are_smaller(total.shape, total.rank):
            return total
        return Dense(delta=total.dense())


def _core_coordinates(updates: Sequence[LowRank]) -> Encoded:
    left, ups = _coordinates(stacked_up(updates))
    right, downs = _coordinates(stacked_down(updates))
    blocks = zip(by_update(ups, updates), by_update(downs, updates), strict=True)
    return Encoded(
        stack=torch.stack([up @ down.T for up, down in blocks]),
        shape=updates[0].shape,
        left=left,
        right=None if right is None else right.T,
    )


def _coordinates(columns: Tensor) -> tuple[Tensor | None, Tensor]:
    """Return an orthonormal basis of the columns and their coordinates in it.

    The basis is None, meaning the identity, when it would not have fewer vectors than there are
    rows.
    """
    if columns.shape[1] >= columns.shape[0]:
        return None, columns
    basis, coordinates = torch.linalg.qr(columns)
    return basis, coordinates
