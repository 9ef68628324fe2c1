"""TIES of updates that DARE made sparse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from attacks.parts.consensus import Aggregation, check_aggregation, consensus
from attacks.parts.sparsification import (
    DROP_GRID,
    TOP_K_GRID,
    check_drop,
    check_trimming,
    drop_and_rescale,
    remembered_thresholds,
    trimming,
)
from mergebench.contracts import Merger, Site


@dataclass(frozen=True, kw_only=True)
class DareTies(Merger):
    """`D = TIES(DARE(τ_1), ..., DARE(τ_T))`.

    `drop`: DARE's probability; `top_k`, `inclusive`, `aggregation`: as in TIES. Trimming does
    nothing once `1 - drop` is below `top_k` percent, because the threshold is then 0.
    """

    name: ClassVar[str] = "dare_ties"
    title: ClassVar[str] = "TIES+DARE"
    paper: ClassVar[str] = (
        "Yu et al., 2024, https://arxiv.org/abs/2311.03099; "
        "Yadav et al., 2023, https://arxiv.org/abs/2306.01708"
    )
    spaces: ClassVar[tuple[str, ...]] = ("full", "knots", "core")
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"drop": DROP_GRID, "top_k": TOP_K_GRID}

    drop: float = 1e-5
    top_k: float = 30.0
    inclusive: bool = True
    aggregation: Aggregation = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_drop(self.drop)
        check_trimming(self.top_k)
        check_aggregation(self.aggregation)

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Return the disjoint mean (or sum) of the dropped, rescaled and trimmed updates."""
        rows = drop_and_rescale(stack, self.drop, site).flatten(start_dim=1)
        thresholds = remembered_thresholds(rows, self.top_k, site, of=f"updates, drop={self.drop}")
        keep = trimming(thresholds, inclusive=self.inclusive)
        merged = consensus(rows, keep, self.aggregation)
        return merged.reshape(stack.shape[1:])
