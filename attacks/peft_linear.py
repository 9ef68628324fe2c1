"""PEFT's `linear`: LoRA factors added up, each kind by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import copysign, sqrt
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from mergebench.contracts import Merger, Site
from mergebench.updates import LowRank


@dataclass(frozen=True, kw_only=True)
class PeftLinear(Merger):
    """`D = (Σ_i √|w_i s_i| B_i)(Σ_i ±√|w_i s_i| A_i)` with LoRA's scalings `s_i`, ± of `w_i s_i`.

    What `add_weighted_adapter(combination_type="linear")` computes: the weighted sum of the updates
    and cross terms `B_i A_j`, which no update contains; other factors of the same updates give
    something else. The rank stays that of one adapter. PEFT refuses adapters of different ranks;
    here the factors that are missing are zero. Like PEFT it merges adapters alone; tensors that are
    not matrices are averaged.
    """

    name: ClassVar[str] = "peft_linear"
    title: ClassVar[str] = "PEFT linear"
    paper: ClassVar[str] = (
        "PEFT 0.21, add_weighted_adapter; LoRA (Hu et al., 2021), https://arxiv.org/abs/2106.09685"
    )
    needs_factors: ClassVar[bool] = True

    def of_factors(self, changes: Sequence[LowRank], coefficients: Sequence[float]) -> LowRank:
        """Return the sums of the factors, `up` in the sense of `B`."""
        rank = max(change.rank for change in changes)
        weighed = [_weighed(*pair, rank) for pair in zip(changes, coefficients, strict=True)]
        ups, downs = zip(*weighed, strict=True)
        return LowRank(up=torch.stack(ups).sum(dim=0), down=torch.stack(downs).sum(dim=0))

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Return the mean of tensors that are not matrices."""
        return stack.mean(dim=0)


def _weighed(change: LowRank, weight: float, rank: int) -> tuple[Tensor, Tensor]:
    """Return `√|w s| B` and `±√|w s| A`, with zeros up to `rank`; `change.up` is `s B`."""
    product, missing = weight * change.scaling, rank - change.rank
    size = sqrt(abs(product))
    up = change.up * (size / change.scaling if change.scaling else 0.0)
    return pad(up, (0, missing)), pad(change.down * copysign(size, product), (0, 0, 0, missing))
