"""A few small updates in either precision, their sum and their mean."""

from __future__ import annotations

import pytest
import torch
from synthetic import low_rank
from torch import Tensor

from mergebench.updates.update import Dense, LowRank

BOTH_PRECISIONS = pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32], ids=["float64", "float32"]
)


TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}
SPACES = ("full", "knots", "core")
RULES = ("ta", "ties", "dare", "dare_ties", "tsv", "cart")


def tasks(dtype: torch.dtype, count: int = 4, seed: int = 0) -> list[LowRank]:
    return low_rank(40, 48, [4] * count, seed=seed, dtype=dtype)


def total(changes: list[LowRank] | list[Dense]) -> Tensor:
    return torch.stack([change.dense().double() for change in changes]).sum(dim=0)


def mean(changes: list[LowRank] | list[Dense]) -> Tensor:
    return total(changes) / len(changes)
