"""RegMean: each linear's weight by regression on the inputs that it has in the experts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from attacks.parts.layerwise import Regression, merged_by_regression
from mergebench.contracts import DataMerger, MergeData
from mergebench.updates import Update


@dataclass(frozen=True, kw_only=True)
class RegMean(DataMerger):
    """`D = (Σ_i τ_i G̃_i)(Σ_i G̃_i)⁻¹` with `G̃_i = a G_i + (1-a) diag(G_i)`, `G_i = X_i X_iᵀ / N_i`.

    `X_i`: what the linear is given, all tokens, when data of task `i` run through expert `i`.
    `shrink`: `a`, by which the off-diagonal entries are multiplied; `ridge`: relative to the mean
    diagonal of `Σ G̃_i`, added to its diagonal. What is not the weight of a linear is averaged.
    The ridge moves `D` in proportion: 1e-6 by 4e-6 to 4e-5 of its norm on `mini_vit`, by 6e-3 on
    `mini_convnext` (6e-5 with 1e-8).
    `a = 0.5` and 100 inputs are the Trap² reference's; fusion_bench takes 0.95 and 256.
    """

    name: ClassVar[str] = "regmean"
    title: ClassVar[str] = "RegMean"
    paper: ClassVar[str] = "Jin et al., 2023, https://arxiv.org/abs/2212.09849"

    shrink: float = 0.5
    ridge: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        self._regression()

    def merge(self, given: MergeData) -> Update:
        """Return the regression mean."""
        return merged_by_regression(given, self._regression())

    def _regression(self) -> Regression:
        return Regression(prefix="expert", block="expert", shrink=self.shrink, ridge=self.ridge)
