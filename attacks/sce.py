"""SCE: select what varies, calculate weights, erase minority signs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attacks.parts.sparsification import count_thresholds
from mergebench.contracts import Merger, Site
from mergebench.errors import InputError


@dataclass(frozen=True, kw_only=True)
class SCE(Merger):
    """`D = Σ_i w_i m_i ⊙ τ_i / Σ_i w_i m_i` over the entries whose variance is among the top ones.

    `select`: their share of the entries in which the updates differ at all; where they nowhere do,
    as copies and one update alone, all entries are selected. `w_i`: the mean of `τ_i²` over the
    tensor, of what was selected, as a share of that of all updates. `m_i`: 1 where the sign is that
    of the sum of the updates, + where they cancel. Tensors of any shape, each on its own.

    mergekit takes equal weights where the means of squares add up to less than 1e-6, which those of
    fine-tuned updates usually do; here, whatever the scale, only for zeros.
    """

    name: ClassVar[str] = "sce"
    paper: ClassVar[str] = "Wan et al., 2024 (FuseChat), https://arxiv.org/abs/2408.07990"
    spaces: ClassVar[tuple[str, ...]] = ("full", "core")
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"select": (1.0, 0.5, 0.2, 0.1)}

    select: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.select <= 1:
            raise InputError(f"select is {self.select}; give a share above 0 and up to 1")

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Return the weighted mean of what agrees in sign."""
        rows = stack.flatten(start_dim=1)
        rows = rows * _most_varying(rows, self.select)
        powers = rows.square().mean(dim=1)
        total = powers.sum()
        weights = (powers / total).masked_fill(total == 0, 1 / len(rows))
        majority = 2 * (rows.sum(dim=0) >= 0) - 1
        agreeing = weights[:, None] * (rows.sign() == majority)
        share = agreeing.sum(dim=0)
        merged = (agreeing * rows).sum(dim=0) / share.masked_fill(share <= 0, 1)
        return merged.reshape(stack.shape[1:])


def _most_varying(rows: Tensor, share: float) -> Tensor:
    """Return which entries of `rows` `(T, d)` are selected, `(d,)` bool."""
    variance = rows.var(dim=0, correction=0)
    count = int(int(variance.count_nonzero()) * share)
    if count == 0:
        return torch.ones_like(variance, dtype=torch.bool)
    return variance > count_thresholds(variance[None], [count])[0]
