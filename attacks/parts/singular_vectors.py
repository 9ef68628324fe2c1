"""Parts of singular value decompositions that several rules use."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def numerical_rank(values: Tensor, shape: tuple[int, int], dtype: torch.dtype) -> int:
    """Return how many singular values exceed the rounding of a matrix of this shape and dtype.

    `values`: descending, of one matrix. Rounding its entries moves every singular value by up to
    about `σ_1 · max(shape) · eps(dtype)`, the usual tolerance (Golub and Van Loan, section 5.4).
    """
    tolerance = values[0] * max(shape) * torch.finfo(dtype).eps
    return int((values > tolerance).sum())


def polar_factor(matrix: Tensor) -> tuple[Tensor, float]:
    """Return `P Qᵀ` from the thin SVD `matrix = P Σ Qᵀ`, `(a, b)` float64, and the smallest `Σ`.

    Null directions, where the factor is not unique, are left out: the result is then the partial
    isometry that depends on `matrix` only.
    """
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    rank = numerical_rank(values, (matrix.shape[0], matrix.shape[1]), matrix.dtype)
    factor: Tensor = left[:, :rank] @ right[:rank]
    return factor, float(values[-1])


def truncated_sums(stack: Tensor, ranks: Sequence[int]) -> dict[int, Tensor]:
    """Return `Σ_i SVD_k(stack_i)`, `(a, b)`, for each rank `k`, from one SVD per matrix.

    `stack`: `(T, a, b)` float64. Ascending ranks are accumulated, so that each singular triple is
    used once.
    """
    smaller = min(stack.shape[1:])
    sums: dict[int, Tensor] = {}
    truncated = [k for k in sorted(set(ranks)) if k < smaller]
    if truncated:
        left, values, right = torch.linalg.svd(stack, full_matrices=False)
        total = torch.zeros_like(stack[0])
        start = 0
        for k in truncated:
            part = slice(start, k)
            scaled = left[:, :, part] * values[:, None, part]
            total = total + (scaled @ right[:, part]).sum(dim=0)
            sums[k], start = total, k
    for k in set(ranks) - set(truncated):
        sums[k] = stack.sum(dim=0)
    return sums
