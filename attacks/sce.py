"""SCE: select what varies, calculate weights, erase minority signs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attacks.parts.consensus import pieces
from attacks.parts.sparsification import count_thresholds
from mergebench.contracts import Merger, Site
from mergebench.errors import InputError


@dataclass(frozen=True, kw_only=True)
class SCE(Merger):
    """`D = Σ_i w_i m_i ⊙ τ_i / Σ_i w_i m_i` over the entries whose variance is among the top ones.

    `select`: their share of the entries in which the updates differ at all. All entries are
    selected where it is 1, and where they nowhere differ, as copies and one update alone. `w_i`:
    the mean of `τ_i²` over the tensor, of what was selected, as a share of that of all updates.
    `m_i`: 1 where the sign is that of the sum of the updates, + where they cancel. Tensors of any
    shape, each on its own.

    mergekit takes equal weights where the means of squares add up to less than 1e-6, which those of
    fine-tuned updates usually do; here, whatever the scale, only for zeros.
    """

    name: ClassVar[str] = "sce"
    title: ClassVar[str] = "SCE"
    paper: ClassVar[str] = "Wan et al., 2024 (FuseChat), https://arxiv.org/abs/2408.07990"
    spaces: ClassVar[tuple[str, ...]] = ("full", "core")
    version: ClassVar[int] = 2  # a share of 1 is of all entries; before: without unanimous ones
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"select": (1.0, 0.5, 0.2, 0.1)}

    select: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.select <= 1:
            raise InputError(f"select is {self.select}; give a share above 0 and up to 1")

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Return the weighted mean of what agrees in sign."""
        rows = stack.flatten(start_dim=1)
        rows = rows * _most_varying(rows, self.select)
        powers = rows.square().mean(dim=1)
        total = powers.sum()
        weights = (powers / total).masked_fill(total == 0, 1 / len(rows))
        merged = [_majority_mean(part, weights) for part in pieces(rows)]
        return torch.cat(merged).reshape(stack.shape[1:])


def _majority_mean(rows: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of the entries whose sign is that of their sum, `(c,)`."""
    majority = (2 * (rows.sum(dim=0) >= 0) - 1).to(rows.dtype)
    agreeing = torch.gt(rows * majority, 0, out=torch.empty_like(rows)).mul_(weights[:, None])
    share = agreeing.sum(dim=0)
    return agreeing.mul_(rows).sum(dim=0) / share.masked_fill(share <= 0, 1)


def _most_varying(rows: Tensor, share: float) -> Tensor:
    """Return which entries of `rows` `(T, d)` are selected, `(d,)` bool."""
    variance = torch.cat([_variance(part) for part in pieces(rows)])
    count = int(int(variance.count_nonzero()) * share)
    if count == 0 or share == 1:
        return torch.ones_like(variance, dtype=torch.bool)
    return variance > count_thresholds(variance[None], [count])[0]


def _variance(rows: Tensor) -> Tensor:
    """Return the variance of each column, computed in float64; exactly 0 where all are equal."""
    centred = rows.double() - rows[0].double()
    return centred.sub_(centred.mean(dim=0)).square_().mean(dim=0).to(rows.dtype)
