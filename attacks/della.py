"""DELLA: drop by magnitude at random, elect signs, fuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from attacks.parts.consensus import Aggregation, check_aggregation, consensus
from mergebench.contracts import Merger, Site
from mergebench.errors import InputError, check_range


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
    paper: ClassVar[str] = "Deep et al., 2024, https://arxiv.org/abs/2406.11617"
    spaces: ClassVar[tuple[str, ...]] = ("full", "core")
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"density": (0.8, 0.6, 0.4, 0.2)}

    density: float = 0.6
    epsilon: float = 0.15
    elect: bool = True
    aggregation: Aggregation = "mean"
    rescale: Literal["probability", "norm"] = "probability"

    def __post_init__(self) -> None:
        check_range("epsilon", self.epsilon, 0, 0.5)
        if not self.epsilon < self.density < 1 - self.epsilon:
            raise InputError(
                f"density is {self.density}; with epsilon {self.epsilon} give one above "
                f"{self.epsilon} and below {1 - self.epsilon}"
            )
        check_aggregation(self.aggregation)
        if self.rescale not in ("probability", "norm"):
            raise InputError(f"rescale is {self.rescale!r}; choose from: probability, norm")

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Return the consensus of the sparse, rescaled updates."""
        sparse = torch.stack([self._dropped(one, i, site) for i, one in enumerate(stack)])
        if not self.elect:
            return sparse.sum(dim=0)
        rows = sparse.flatten(start_dim=1)
        return consensus(rows, Tensor.clone, self.aggregation).reshape(stack.shape[1:])

    def _dropped(self, update: Tensor, task: int, site: Site) -> Tensor:
        probability = self.density - self.epsilon + 2 * self.epsilon * _ranks(update.abs())
        draws = torch.rand(update.shape, generator=site.generator(self.name, task))
        kept = update * (draws.to(update.device) < probability)
        if self.rescale == "probability":
            return kept / probability
        left = kept.abs().sum()
        return kept * (update.abs().sum() / left) if left > 0 else kept


def _ranks(sizes: Tensor) -> Tensor:
    """Return the place of each entry in its row of `(m, n)`, from 0 for the least to 1."""
    places = sizes.argsort(dim=1, stable=True).argsort(dim=1).to(sizes.dtype)
    return places / max(1, sizes.shape[1] - 1)
