"""Breadcrumbs: updates without their largest and their smallest entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import hardshrink

from attacks.parts.sparsification import count_thresholds
from mergebench.contracts import Merger, Site
from mergebench.errors import check_range


@dataclass(frozen=True, kw_only=True)
class Breadcrumbs(Merger):
    """`D = Σ_i m_i ⊙ τ_i`: of each update the `gamma` largest entries are dropped as outliers, and
    of the others as many of the smallest as leave a share `density`.

    Both are shares of the entries of one site, `int(density d)` and `int(gamma d)` entries; where
    they exceed 1 together, fewer outliers are dropped. A `gamma` below one entry drops none (the
    public code then drops all). Tensors of any shape, each on its own. The defaults are those of
    mergekit; the paper's masks are sparser, hence the grid.
    """

    name: ClassVar[str] = "breadcrumbs"
    title: ClassVar[str] = "Breadcrumbs"
    paper: ClassVar[str] = "Davari and Belilovsky, 2023, https://arxiv.org/abs/2312.06795"
    spaces: ClassVar[tuple[str, ...]] = ("full", "core")
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"density": (0.9, 0.7, 0.5, 0.3, 0.1)}

    density: float = 0.9
    gamma: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("density", self.density, 0, 1)
        check_range("gamma", self.gamma, 0, 1)

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Return the sum of the masked updates."""
        rows = stack.flatten(start_dim=1)
        merged = torch.zeros_like(rows[0])
        for row, (least, most) in zip(rows, self._limits(rows, site), strict=True):
            # Hard shrinking keeps what exceeds a limit.
            merged += hardshrink(row, least).sub_(hardshrink(row, most))
        return merged.reshape(stack.shape[1:])

    def _limits(self, rows: Tensor, site: Site) -> list[tuple[float, float]]:
        """Return for each row which magnitudes what is kept exceeds, and which it does not.

        One sort serves the whole grid.
        """
        densities = {*self.grid["density"], self.density}
        counts = {density: self._counts(density, rows.shape[1]) for density in densities}
        wanted = sorted({count for pair in counts.values() for count in pair})

        def thresholds(index: int) -> dict[int, float]:
            found = count_thresholds(rows[index : index + 1], wanted)[:, 0]
            return dict(zip(wanted, found.tolist(), strict=True))

        known = site.once_each(f"magnitudes exceeded by {wanted}", len(rows), thresholds)
        more, fewer = counts[self.density]
        return [(one[more], one[fewer]) for one in known]

    def _counts(self, density: float, size: int) -> tuple[int, int]:
        """Return how many entries are kept or outliers, and how many are outliers."""
        kept = int(density * size)
        outliers = min(int(self.gamma * size), size - kept)
        return kept + outliers, outliers
