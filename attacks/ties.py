"""TIES: trim, elect sign, disjoint merge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from attacks.parts.consensus import Aggregation, check_aggregation, consensus
from attacks.parts.sparsification import TOP_K_GRID, check_trimming, remembered_thresholds, trimming
from mergebench.contracts import Merger, Site


@dataclass(frozen=True, kw_only=True)
class Ties(Merger):
    """Trim each update to its largest entries, elect one sign per entry, average what agrees.

    `top_k`: percent of the entries of one site that are kept per update, above 1 (up to 1 it is a
    share in the Trap² code, and refused here). `inclusive`: whether an entry at the threshold is
    kept, as in the TIES, KnOTS and Trap² codes (mergekit and PEFT keep one fewer). `aggregation`:
    mean of the agreeing values, or their sum. Tensors of any shape, each flattened and trimmed on
    its own.
    """

    name: ClassVar[str] = "ties"
    title: ClassVar[str] = "TIES"
    paper: ClassVar[str] = "Yadav et al., 2023, https://arxiv.org/abs/2306.01708"
    spaces: ClassVar[tuple[str, ...]] = ("full", "knots", "core")
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"top_k": TOP_K_GRID}

    top_k: float = 30.0
    inclusive: bool = True
    aggregation: Aggregation = "mean"

    def __post_init__(self) -> None:
        check_trimming(self.top_k)
        check_aggregation(self.aggregation)

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Return the disjoint mean (or sum) of the trimmed updates."""
        rows = stack.flatten(start_dim=1)
        thresholds = remembered_thresholds(rows, self.top_k, site, of="updates")
        keep = trimming(thresholds, inclusive=self.inclusive)
        merged = consensus(rows, keep, self.aggregation)
        return merged.reshape(stack.shape[1:])
