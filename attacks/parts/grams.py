"""Second moments of a linear's inputs, and the regression on them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mergebench.errors import InputError
from mergebench.updates import LowRank, SiteUpdate

_ROWS = 4096


class MeanProduct:
    """`X Yᵀ / N` of `N` tokens that come in parts, `(n, n)` float64; only one part is held.

    The products are float64 too: a regression without shrinkage divides by eigenvalues down to the
    ridge, 1e-6 of the mean, to which float32's rounding of 1e-7 would contribute a tenth.
    """

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._count = 0

    def add(self, left: Tensor, right: Tensor) -> None:
        """Add tokens: `left` and `right`, the columns of `X` and `Y`, are `(tokens, n)` float."""
        for x, y in zip(left.split(_ROWS), right.split(_ROWS), strict=True):
            product = x.double().T @ y.double()
            self._sum = product if self._sum is None else self._sum.add_(product)
        self._count += len(left)

    def mean(self) -> Tensor:
        """Return `X Yᵀ / N`."""
        assert self._sum is not None, "no tokens were added"
        return self._sum / self._count


def shrunk(matrix: Tensor, shrink: float) -> Tensor:
    """Return `a M + (1-a) diag(M)` with `a = shrink`: off-diagonal entries multiplied by `a`.

    Source: Jin et al., 2023, section 3.2 (RegMean).
    """
    diagonal = matrix.diagonal()
    return shrink * matrix + torch.diag((1 - shrink) * diagonal)


def product(change: SiteUpdate, matrix: Tensor) -> Tensor:
    """Return `τ M`, `(m, n)` float64, of a change of a matrix; low-rank ones as `B (A M)`."""
    up, *down = (factor.to(matrix) for factor in change.tensors)
    if isinstance(change, LowRank):
        return up @ (down[0] @ matrix)
    return up @ matrix


def solved(
    products: Mapping[str, Tensor], gram: Tensor, ridge: float, *, of: str
) -> dict[str, Tensor]:
    """Return `P (G + ridge·mean(diag G)·I)⁻¹` for each of `products`, `(m, n)` float64.

    `gram`: `(n, n)` float64, symmetric. One Cholesky factor serves all. Raises `InputError`, with
    the name `of` what `G` was measured at, when the regularised matrix is not positive definite.
    """
    regularised = gram + torch.diag((ridge * gram.diagonal().mean()).expand(len(gram)))
    factor, failed = torch.linalg.cholesky_ex(regularised)
    if failed or not bool(torch.isfinite(factor).all()):
        raise InputError(
            f"the inputs of site {of} leave its regression undetermined (their Gram matrix is not "
            "positive definite): raise ridge, lower shrink, or give more data"
        )
    return {site: torch.cholesky_solve(each.T, factor).T for site, each in products.items()}
