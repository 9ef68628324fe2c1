"""Parts of singular value decompositions that several rules use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mergebench.contracts import Site
from mergebench.updates import LEAST_GAP, relative_gap

GAP = "smallest relative gap at the cut of a spectrum"
"""The note of every rule that cuts spectra: `(s_k - s_{k+1}) / s_k`, see `relative_gap`."""

GAPS: Mapping[str, float] = {GAP: LEAST_GAP}


def rounding(stack: Tensor, site: Site) -> torch.dtype:
    """Return the dtype to whose rounding the representatives `stack` are exact.

    That of the updates, of which coordinates in float64 are computed.
    """
    known = stack.dtype if site.dtype is None else site.dtype
    return max(stack.dtype, known, key=lambda dtype: torch.finfo(dtype).eps)


def numerical_rank(
    values: Tensor, shape: Sequence[int], dtype: torch.dtype, largest: Tensor | None = None
) -> int:
    """Return how many singular values exceed the rounding of a matrix of this shape and dtype.

    `values`: descending, of one matrix; where they are on a device, it is waited for. `shape`: of
    that matrix as it is at hand, in coordinates where it is written in some, so that low-rank
    updates have the same rank in Full and in Core space. Rounding its entries moves every singular
    value by up to about `σ_1 · max(shape) · eps(dtype)`, the usual tolerance (Golub and Van Loan,
    section 5.4).
    `largest`: σ_1 of what the matrix was computed from, where that is larger, as of a difference.
    """
    size = values[0] if largest is None else largest
    tolerance = size * max(shape) * torch.finfo(dtype).eps
    return int((values > tolerance).sum())


class LeadingTriples(NamedTuple):
    """The leading singular vectors of a matrix, `(a, k)` and `(k, b)`, and all singular values."""

    left: Tensor
    values: Tensor
    right: Tensor


def leading_triples(matrix: Tensor, count: int) -> LeadingTriples:
    """Return the `count` leading singular triples of `matrix`, `(a, b)` float64.

    As tensors of their own, that do not keep the others.
    """
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    return LeadingTriples(left[:, :count].clone(), values, right[:count].clone())


def polar_factor(matrix: Tensor) -> tuple[Tensor, float]:
    """Return `P Qᵀ` from the thin SVD `matrix = P Σ Qᵀ`, `(a, b)` float64, and the smallest `Σ`.

    Null directions, where the factor is not unique, are left out: the result is then the partial
    isometry that depends on `matrix` only.
    """
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    values = values.cpu()
    rank = numerical_rank(values, matrix.shape, matrix.dtype)
    factor: Tensor = left[:, :rank] @ right[:rank]
    return factor, float(values[-1])


class TruncatedSum(NamedTuple):
    """`Σ_i SVD_k(X_i)`, and the smallest gap of the cuts (see `relative_gap`)."""

    total: Tensor
    gap: float


def truncated_sums(
    stack: Tensor, ranks: Sequence[int], dtype: torch.dtype = torch.float64
) -> dict[int, TruncatedSum]:
    """Return `Σ_i SVD_k(stack_i)`, `(a, b)`, for each rank `k`, from one SVD per matrix.

    `stack`: `(T, a, b)` float64, exact to `dtype`; to cut what is below its rounding counts as no
    cut. Ascending ranks are accumulated, so that each singular triple is used once.
    """
    smaller = min(stack.shape[1:])
    sums: dict[int, TruncatedSum] = {}
    truncated = [k for k in sorted(set(ranks)) if k < smaller]
    if truncated:
        left, values, right = torch.linalg.svd(stack, full_matrices=False)
        signal = [own[: numerical_rank(own, stack.shape[1:], dtype)] for own in values.cpu()]
        total = torch.zeros_like(stack[0])
        start = 0
        for k in truncated:
            part = slice(start, k)
            scaled = left[:, :, part] * values[:, None, part]
            total = total + (scaled @ right[:, part]).sum(dim=0)
            gap = min(relative_gap(own, k) for own in signal)
            sums[k], start = TruncatedSum(total, gap), k
    for k in set(ranks) - set(truncated):
        sums[k] = TruncatedSum(stack.sum(dim=0), 1.0)
    return sums
