"""The hidden units of an MLP, which may stand in any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from mergebench.backbones import MlpPaths
from mergebench.symmetries.checkpoint import Weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Units:
    """What an MLP's `h` hidden units read and write, float64.

    `first`: `(h, n)`, `bias`: `(h,)`, of the linear ahead of them; `second`: `(m, h)`, behind them.
    """

    first: Tensor
    bias: Tensor
    second: Tensor

    @classmethod
    def read(cls, mlp: MlpPaths, weights: Weights) -> Self:
        """Return the units of an MLP in a checkpoint."""
        first, bias, second = map(weights, unit_parameters(mlp))
        return cls(first=first, bias=bias, second=second)

    def written(self, mlp: MlpPaths) -> dict[str, Tensor]:
        """Return the weights by parameter path."""
        values = (self.first, self.bias, self.second)
        return dict(zip(unit_parameters(mlp), values, strict=True))

    def likeness(self, others: Units) -> Tensor:
        """Return `W1 W1'ᵀ + b1 b1'ᵀ + W2ᵀ W2'`, `(h, h)`: how alike each unit is to each other."""
        biases = torch.outer(self.bias, others.bias)
        return self.first @ others.first.T + biases + self.second.T @ others.second

    def ordered(self, order: Tensor) -> Units:
        """Return the units in another order, `(h,)` int64, which has the same function."""
        return Units(first=self.first[order], bias=self.bias[order], second=self.second[:, order])


def unit_parameters(mlp: MlpPaths) -> tuple[str, str, str]:
    """Return the paths of the parameters that an order of units changes."""
    return f"{mlp.first}.weight", f"{mlp.first}.bias", f"{mlp.second}.weight"
