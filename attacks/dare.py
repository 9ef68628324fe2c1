"""DARE: drop and rescale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from attacks.parts.sparsification import DROP_GRID, check_drop, drop_and_rescale
from mergebench.contracts import Merger, Site


@dataclass(frozen=True, kw_only=True)
class Dare(Merger):
    """`D = Σ_i τ_i ⊙ 1[u > p] / (1 - p)`: entries dropped at random, the others rescaled.

    `drop`: the probability `p`. Tensors of any shape.
    """

    name: ClassVar[str] = "dare"
    title: ClassVar[str] = "DARE"
    paper: ClassVar[str] = "Yu et al., 2024, https://arxiv.org/abs/2311.03099"
    spaces: ClassVar[tuple[str, ...]] = ("full", "knots", "core")
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"drop": DROP_GRID}

    drop: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_drop(self.drop)

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Return the sum of the sparse, rescaled updates."""
        return drop_and_rescale(stack, self.drop, site).sum(dim=0)
