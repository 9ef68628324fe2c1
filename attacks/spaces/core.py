"""Core space: the updates between the singular bases of their stacked factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from attacks.parts.factors import all_low_rank, by_update, stacked_down, stacked_up, svd_basis
from mergebench.contracts import Encoded, Space
from mergebench.updates import SiteUpdate


@dataclass(frozen=True, kw_only=True)
class Core(Space):
    """`M_i = U_Bᵀ B_i A_i V_Aᵀ`, `(min(m, q), min(q, n))` float64, `q` the sum of the ranks.

    `U_B` holds the left singular vectors of `[B_1 ... B_T]` and `V_A` the right ones of the
    stacked `A_i`; nothing is truncated, so `U_B M_i V_A = τ_i`. The basis matters: rules that look
    at single entries give other results in another basis of the same spaces.
    """

    name: ClassVar[str] = "core"
    title: ClassVar[str] = "Core"
    paper: ClassVar[str] = "Panariello et al., 2025, https://arxiv.org/abs/2509.17786"
    needs_factors: ClassVar[bool] = True

    def encode(self, updates: Sequence[SiteUpdate], *, rotation_invariant: bool) -> Encoded:
        """Return the core matrices; raises `TypeError` for a dense update."""
        if not all_low_rank(updates):
            raise TypeError("core space needs low-rank factors")
        ups, downs = stacked_up(updates), stacked_down(updates)
        left, right = svd_basis(ups), svd_basis(downs)
        # Products with the factors, not blocks of the SVD: a zero update stays exactly zero.
        rows, columns = by_update(left.T @ ups, updates), by_update(right.T @ downs, updates)
        stack = torch.stack([up @ down.T for up, down in zip(rows, columns, strict=True)])
        shape = (left.shape[1], right.shape[1])
        return Encoded(stack=stack, shape=shape, left=left, right=right.T)
