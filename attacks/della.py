"""DELLA: drop by magnitude at random, elect signs, fuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from attacks.parts.consensus import Aggregation, check_aggregation, consensus
from mergebench.contracts import Merger, Site
from mergebench.errors import InputError, check_choice, check_range

Rescale = Literal["probability", "norm"]


@dataclass(frozen=True, kw_only=True)
class Della(Merger):
    """`D = consensus(τ̃_1, ..., τ̃_T)`, `τ̃_i = τ_i ⊙ 1[u < q_i] / q_i`: small entries are dropped
    more often than large ones.

    `q = density - epsilon + 2 epsilon · rank`, with the rank of an entry's magnitude in its row
    from 0, the smallest, to 1. Signs are elected and what agrees is combined as in TIES
    (`aggregation`), or with `elect` false added up. `rescale`: `probability` divides each entry by
    its `q`, as the paper does; `norm` gives each tensor the sum of magnitudes that it had, as
    mergekit does. The uniform numbers are float32, of each task's own generator, and do not depend
    on the options, so that what a larger density keeps contains what a smaller one does. Tensors
    that are not matrices are one row. Raises `InputError` unless all probabilities lie between 0
    and 1.
    """

    name: ClassVar[str] = "della"
    title: ClassVar[str] = "DELLA"
    paper: ClassVar[str] = "Deep et al., 2024, https://arxiv.org/abs/2406.11617"
    spaces: ClassVar[tuple[str, ...]] = ("full", "core")
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"density": (0.8, 0.6, 0.4, 0.2)}

    density: float = 0.6
    epsilon: float = 0.15
    elect: bool = True
    aggregation: Aggregation = "mean"
    rescale: Rescale = "probability"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("epsilon", self.epsilon, 0, 0.5)
        if not self.epsilon < self.density < 1 - self.epsilon:
            raise InputError(
                f"density is {self.density}; with epsilon {self.epsilon} give one above "
                f"{self.epsilon} and below {1 - self.epsilon}"
            )
        check_aggregation(self.aggregation)
        check_choice("rescale", self.rescale, Rescale)

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Return the consensus of the sparse, rescaled updates."""
        sparse = torch.empty_like(stack)
        for index, update in enumerate(stack):
            sparse[index] = self._dropped(update, index, site)
        if not self.elect:
            return sparse.sum(dim=0)
        rows = sparse.flatten(start_dim=1)
        return consensus(rows, Tensor.clone, self.aggregation).reshape(stack.shape[1:])

    def _dropped(self, update: Tensor, task: int, site: Site) -> Tensor:
        places = site.once(
            f"places of update {task} in its rows", lambda: _places(update), size=2 * update.numel()
        )
        rank = places.to(update.dtype).div_(max(1, update.shape[1] - 1))
        probability = rank.mul_(2 * self.epsilon).add_(self.density - self.epsilon)
        draws = torch.rand(update.shape, generator=site.generator(self.name, task))
        kept = torch.lt(draws.to(update.device), probability, out=torch.empty_like(update))
        kept.mul_(update)
        if self.rescale == "probability":
            return kept.div_(probability)
        left = kept.abs().sum()
        return kept * (update.abs().sum() / left) if left > 0 else kept


def _places(update: Tensor) -> Tensor:
    """Return the place of each magnitude in its row of `(m, n)`, from 0 for the least on.

    Of equal ones the first is the lesser. int16 where rows are short enough for it, else int32.
    """
    columns = update.shape[1]
    dtype = torch.int16 if columns <= 1 << 15 else torch.int32
    ascending = torch.arange(columns, dtype=dtype, device=update.device).expand(update.shape)
    return torch.empty_like(ascending).scatter_(1, _order(update.abs()), ascending)


def _order(sizes: Tensor) -> Tensor:
    """Return which columns hold the ascending magnitudes of each row, int64."""
    if sizes.dtype != torch.float32 or sizes.device.type != "cpu":
        return sizes.argsort(dim=1, stable=True)
    # Bits of magnitudes ascend with them. Numbers of these and the column are sorted by NumPy,
    # several times faster than torch finds the order.
    numbers = sizes.view(torch.int32).long() << 32 | torch.arange(sizes.shape[1])
    numbers.numpy().sort(axis=1)
    return numbers.bitwise_and_((1 << 32) - 1)
