"""Orthonormal bases of what low-rank updates touch, without any dense `ΔW`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import torch
from torch import Tensor

from mergebench.updates import LowRank, SiteUpdate


def all_low_rank(updates: Sequence[SiteUpdate]) -> TypeGuard[Sequence[LowRank]]:
    """Return whether every update of the site comes as factors."""
    return all(isinstance(update, LowRank) for update in updates)


def stacked_up(updates: Sequence[LowRank]) -> Tensor:
    """Return `[B_1 ... B_T]`, `(m, q)` float64 with `q` the sum of the ranks."""
    return torch.cat([update.up.double() for update in updates], dim=1)


def stacked_down(updates: Sequence[LowRank]) -> Tensor:
    """Return `[A_1ᵀ ... A_Tᵀ]`, `(n, q)` float64 with `q` the sum of the ranks."""
    return torch.cat([update.down.double().T for update in updates], dim=1)


def by_update(columns: Tensor, updates: Sequence[LowRank]) -> tuple[Tensor, ...]:
    """Split `(a, q)` into one block of columns per update, in order."""
    return torch.split(columns, [update.rank for update in updates], dim=1)


def svd_basis(columns: Tensor) -> Tensor:
    """Return the left singular vectors of `(m, q)`, `(m, min(m, q))`, by descending value.

    Directions of singular value zero are kept. The sign of a vector is arbitrary. Computed from
    the small triangular factor, so that no SVD is larger than `q × q`.
    """
    orthonormal, triangular = torch.linalg.qr(columns)
    vectors, _, _ = torch.linalg.svd(triangular, full_matrices=False)
    basis: Tensor = orthonormal @ vectors
    return basis


def singular_triples(change: SiteUpdate) -> tuple[Tensor, Tensor, Tensor]:
    """Return `U` `(m, k)`, `S` `(k,)` and `V` `(n, k)` of a matrix `U diag(S) Vᵀ`, float64.

    `S` descends and may end in zeros; `k` is the smallest of `m`, `n` and, where it comes as
    factors, their rank, of which no SVD is larger.
    """
    if not isinstance(change, LowRank):
        left, values, right = torch.linalg.svd(change.dense().double(), full_matrices=False)
        return left, values, right.T
    outputs, up = torch.linalg.qr(change.up.double())
    inputs, down = torch.linalg.qr(change.down.T.double())
    left, values, right = torch.linalg.svd(up @ down.T, full_matrices=False)
    return outputs @ left, values, inputs @ right.T
