"""CART: low-rank parts of the updates, centred at their mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import ClassVar, Literal

from torch import Tensor

from attacks.parts.matrix_rule import MatrixRule
from attacks.parts.singular_vectors import GAP, GAPS, rounding, truncated_sums
from mergebench.contracts import Site
from mergebench.errors import InputError, check_choice, check_range

Form = Literal["trap2", "original"]

RANK_FRACTION_GRID = (0.04, 0.08, 0.16, 0.32)


@dataclass(frozen=True, kw_only=True)
class Cart(MatrixRule):
    """`D = μ + c Σ_i SVD_k(τ_i - μ)`, with `μ` the mean of the updates.

    `form="trap2"`: `c = inner` and `k = ceil(rank_fraction · K)`, as in the Trap² benchmark, where
    `alpha` scales the whole. `form="original"`: `c = lam` and
    `k = max(1, floor(rank_fraction · K))`, as in the CART paper, where `lam` is what is tuned and
    `alpha` is 1. Tensors that are not matrices are averaged.
    """

    name: ClassVar[str] = "cart"
    title: ClassVar[str] = "CART"
    paper: ClassVar[str] = "Choi et al., 2024, https://arxiv.org/abs/2412.12153"
    spaces: ClassVar[tuple[str, ...]] = ("full", "knots", "core")
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"rank_fraction": RANK_FRACTION_GRID}
    smallest: ClassVar[Mapping[str, float]] = GAPS

    rank_fraction: float = 0.04
    form: Form = "trap2"
    inner: float = 0.1
    lam: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.rank_fraction <= 1:
            raise InputError(f"rank_fraction is {self.rank_fraction}; give one above 0 and up to 1")
        for name in ("inner", "lam"):
            check_range(name, getattr(self, name), -1000, 1000)
        check_choice("form", self.form, Form)

    @property
    def rotation_invariant(self) -> bool:
        """Means and truncated SVDs commute with orthonormal bases."""
        return True

    def of_matrices(self, stack: Tensor, site: Site) -> Tensor:
        """Return the mean plus the scaled low-rank parts."""
        mean = stack.double().mean(dim=0)
        rank = self._rank(self.rank_fraction, site)
        # One SVD per update serves the whole grid of ranks.
        grid = {self._rank(fraction, site) for fraction in RANK_FRACTION_GRID}
        ranks = sorted(grid) if rank in grid else [rank]
        sums = site.once(
            f"truncated residuals {ranks}",
            lambda: truncated_sums(stack.double() - mean, ranks, rounding(stack, site)),
        )
        site.notes[GAP] = sums[rank].gap
        scale = self.inner if self.form == "trap2" else self.lam
        return (mean + scale * sums[rank].total).to(stack.dtype)

    def _rank(self, fraction: float, site: Site) -> int:
        exact = fraction * min(site.shape)
        return ceil(exact) if self.form == "trap2" else max(1, floor(exact))
