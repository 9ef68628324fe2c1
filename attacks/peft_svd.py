"""PEFT's `svd`: the sum of the updates, cut to the rank of an adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attacks.parts.matrix_rule import MatrixRule
from attacks.parts.singular_vectors import GAP, GAPS, numerical_rank, rounding, truncated_sums
from mergebench.contracts import Site
from mergebench.errors import check_range


@dataclass(frozen=True, kw_only=True)
class PeftSVD(MatrixRule):
    """`D = SVD_k(Σ_i τ_i)`, the best approximation of rank `k` of the sum.

    What `add_weighted_adapter(combination_type="svd")` computes, of two adapters or more; PEFT's
    weights are coefficients of the updates. Like PEFT it merges adapters alone: the rank of dense
    changes would be full, and nothing cut. `svd_rank`: `k`; 0 stands for the largest numerical rank
    of an update at the site. None in PEFT stands for the largest `r` that any of the configurations
    has, their `rank_pattern` included, at all sites alike: the same unless ranks differ between
    sites or an update has a smaller rank than its factors. PEFT's `svd_clamp` is not offered.
    Tensors that are not matrices are averaged.
    """

    name: ClassVar[str] = "peft_svd"
    title: ClassVar[str] = "PEFT svd"
    paper: ClassVar[str] = (
        "PEFT 0.21, add_weighted_adapter; LoRA (Hu et al., 2021), https://arxiv.org/abs/2106.09685"
    )
    needs_factors: ClassVar[bool] = True
    smallest: ClassVar[Mapping[str, float]] = GAPS

    svd_rank: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("svd_rank", self.svd_rank, 0, 1_000_000)

    @property
    def rotation_invariant(self) -> bool:
        """Sums and truncated SVDs commute with orthonormal bases."""
        return True

    def of_matrices(self, stack: Tensor, site: Site) -> Tensor:
        """Return the truncated sum."""
        rank = self.svd_rank or _largest_rank(stack, site)
        total = stack.double().sum(dim=0)[None]
        found = truncated_sums(total, [rank], rounding(stack, site))[rank]
        site.notes[GAP] = found.gap
        return found.total.to(stack.dtype)


def _largest_rank(stack: Tensor, site: Site) -> int:
    spectra, exact_to = torch.linalg.svdvals(stack.double()).cpu(), rounding(stack, site)
    return max(1, *(numerical_rank(values, stack.shape[1:], exact_to) for values in spectra))
