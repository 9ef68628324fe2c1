"""Iso-CTS: a flat spectrum over the directions that the updates share and those of each task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attacks.parts.matrix_rule import MatrixRule, once_per_site
from attacks.parts.singular_vectors import GAP, GAPS, numerical_rank, polar_factor, rounding
from mergebench.contracts import Site
from mergebench.errors import check_range
from mergebench.updates import relative_gap

_NOTE = "smallest singular value of [U_1 ... U_T U_c] and [V_1; ...; V_T; V_c]"


@dataclass(frozen=True, kw_only=True)
class IsoCTS(MatrixRule):
    """`D = mean(Σ) · polar([U_1 ... U_T U_c]) · polar([V_1; ...; V_T; V_c])`.

    `(U_c, Σ_c, V_c)`: the leading `k_c` singular triples of `Σ_i τ_i`; `(U_i, Σ_i, V_i)`: the
    leading `k` of what task `i` has beside them, `(I - U_c U_cᵀ) τ_i`; `mean(Σ)` over all of these.
    `T k = T round((K - int(common K)) / T)`, rounding half to even, and `k_c = K - T k`; where that
    rounds up beyond K, which the public code cannot do, k is `K // T`.

    Float64, and no direction that is rounding is taken (`k_c` and `k` are at most the numerical
    ranks), so that in Full space it is Iso-C for low-rank updates: `k_c` covers the range of their
    sum. In Core space, whose `K` is smaller, it is not. Tensors that are not matrices are averaged.
    """

    name: ClassVar[str] = "iso_cts"
    title: ClassVar[str] = "Iso-CTS"
    paper: ClassVar[str] = "Marczak et al., 2025, https://arxiv.org/abs/2502.04959"
    spaces: ClassVar[tuple[str, ...]] = ("full", "core")
    smallest: ClassVar[Mapping[str, float]] = {_NOTE: 1e-3, **GAPS}

    common: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("common", self.common, 0, 1)

    @property
    def rotation_invariant(self) -> bool:
        """Leading singular triples, projections on them and polar factors commute with bases."""
        return True

    @once_per_site
    def of_matrices(self, stack: Tensor, site: Site) -> Tensor:
        """Return the flat spectrum on the common and the task-specific directions."""
        updates, smaller = stack.double(), min(site.shape)
        own = round((smaller - int(self.common * smaller)) / len(stack))
        own = min(own, smaller // len(stack))
        exact_to, gaps = rounding(stack, site), list[float]()

        def leading(matrix: Tensor, most: int, largest: Tensor) -> tuple[Tensor, ...]:
            left, values, right = torch.linalg.svd(matrix, full_matrices=False)
            spectrum = values.cpu()
            rank = min(most, numerical_rank(spectrum, matrix.shape, exact_to, largest))
            gaps.append(relative_gap(spectrum, rank))
            return left[:, :rank], values[:rank], right[:rank]

        sizes = torch.linalg.matrix_norm(updates, 2).cpu()
        common = leading(updates.sum(dim=0), smaller - own * len(stack), sizes.max())
        rest = updates - common[0] @ (common[0].T @ updates)
        parts = [leading(one, own, size) for one, size in zip(rest, sizes, strict=True)]
        lefts, values, rights = zip(*parts, common, strict=True)
        site.notes[GAP] = min(gaps)
        spectrum = torch.cat(values)
        if len(spectrum) == 0:
            return torch.zeros_like(stack[0])
        columns, smallest_left = polar_factor(torch.cat(lefts, dim=1))
        rows, smallest_right = polar_factor(torch.cat(rights))
        site.notes[_NOTE] = min(smallest_left, smallest_right)
        return (spectrum.mean() * (columns @ rows)).to(stack.dtype)
