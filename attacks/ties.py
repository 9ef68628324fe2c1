"""TIES: trim, elect sign, disjoint merge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from attacks.parts.consensus import Aggregation, check_aggregation, consensus
from attacks.parts.regions import largest_beyond
from attacks.parts.sparsification import TOP_K_GRID, check_trimming, remembered_thresholds, trimming
from mergebench.contracts import Merger, Site
from mergebench.errors import check_choice

Scope = Literal["layer", "global"]


@dataclass(frozen=True, kw_only=True)
class Ties(Merger):
    """Trim each update to its largest entries, elect one sign per entry, average what agrees.

    `top_k`: percent of the entries that are kept per update, above 1 (up to 1 it is a share in the
    Trap² code, and refused here). `scope`: whether these are the largest of each `layer`, as in the
    Trap² code, mergekit and PEFT, or of the whole model, `global`, as in the TIES and KnOTS codes
    and fusion-bench. `inclusive`: whether an entry at the threshold is kept, as in the TIES, KnOTS
    and Trap² codes (mergekit and PEFT keep one fewer). `aggregation`: mean of the agreeing values,
    or their sum. Tensors of any shape, flattened.
    """

    name: ClassVar[str] = "ties"
    title: ClassVar[str] = "TIES"
    paper: ClassVar[str] = "Yadav et al., 2023, https://arxiv.org/abs/2306.01708"
    spaces: ClassVar[tuple[str, ...]] = ("full", "knots", "core")
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"top_k": TOP_K_GRID}
    left_out_at: ClassVar[Mapping[str, Any]] = {"scope": "layer"}

    top_k: float = 30.0
    inclusive: bool = True
    aggregation: Aggregation = "mean"
    scope: Scope = "layer"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_trimming(self.top_k)
        check_aggregation(self.aggregation)
        check_choice("scope", self.scope, Scope)

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Return the disjoint mean (or sum) of the trimmed updates."""
        rows = stack.flatten(start_dim=1)
        keep = trimming(self._thresholds(rows, site), inclusive=self.inclusive)
        merged = consensus(rows, keep, self.aggregation)
        return merged.reshape(stack.shape[1:])

    def _thresholds(self, rows: Tensor, site: Site) -> Tensor:
        if self.scope == "layer":
            return remembered_thresholds(rows, self.top_k, site, of="updates")
        return site.once_for_all(
            f"beyond the largest {self.top_k} percent",
            lambda stacks: largest_beyond(stacks, self.top_k),
        )
