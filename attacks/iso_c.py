"""Iso-C: the sum of the updates with a flat spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attacks.parts.after_rule import AfterRule
from attacks.parts.matrix_rule import once_per_site
from attacks.parts.singular_vectors import GAP, GAPS, numerical_rank, rounding
from mergebench.contracts import Site
from mergebench.updates import relative_gap


@dataclass(frozen=True, kw_only=True)
class IsoC(AfterRule):
    """`D = mean(Σ) U Vᵀ` with `Σ_i τ_i = U Σ Vᵀ`: every direction of the sum counts alike.

    `Σ` are the singular values above rounding, float64: the public code takes the mean over all
    `min(m, n)` and so gives null directions of low-rank updates, which are rounding, real weight.
    `after`: the rule after which the step is taken; the published method is that on the sum.
    The same in Full and in Core space, and not defined in KnOTS', whose representatives lack `Σ`.
    Tensors that are not matrices are averaged.
    """

    name: ClassVar[str] = "iso_c"
    title: ClassVar[str] = "Iso-C"
    paper: ClassVar[str] = "Marczak et al., 2025, https://arxiv.org/abs/2502.04959"
    spaces: ClassVar[tuple[str, ...]] = ("full", "core")
    smallest: ClassVar[Mapping[str, float]] = GAPS

    @once_per_site
    def of_matrices(self, stack: Tensor, site: Site) -> Tensor:
        """Return the rule's result with all singular values of its range at their mean."""
        merged = self.merged(stack, site)
        left, values, right = torch.linalg.svd(merged.double(), full_matrices=False)
        spectrum = values.cpu()
        rank = numerical_rank(spectrum, merged.shape, rounding(stack, site))
        self.note(site, GAP, relative_gap(spectrum, rank))
        if rank == 0:
            return torch.zeros_like(merged)
        flat: Tensor = values[:rank].mean() * (left[:, :rank] @ right[:rank])
        return flat.to(stack.dtype)
