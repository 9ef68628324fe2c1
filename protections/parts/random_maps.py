"""Random invertible maps, one for each head."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def uniform(shape: tuple[int, ...], least: float, most: float, draws: torch.Generator) -> Tensor:
    """Return float64 values uniform on `[least, most]`."""
    return least + (most - least) * torch.rand(shape, generator=draws, dtype=torch.float64)


def log_uniform(
    shape: tuple[int, ...], least: float, most: float, draws: torch.Generator
) -> Tensor:
    """Return float64 values whose logarithms are uniform on those of `[least, most]`."""
    return uniform(shape, math.log(least), math.log(most), draws).exp()


def gaussian(heads: int, size: int, draws: torch.Generator) -> Tensor:
    """Return `(heads, size, size)` float64 of standard normal entries."""
    return torch.randn(heads, size, size, generator=draws, dtype=torch.float64)


def orthogonal(heads: int, size: int, draws: torch.Generator) -> Tensor:
    """Return `(heads, size, size)` float64 orthogonal matrices, uniform among all (Haar)."""
    bases, triangles = torch.linalg.qr(gaussian(heads, size, draws))
    signs = triangles.diagonal(dim1=-2, dim2=-1).sign()
    turned: Tensor = bases * signs[:, None, :]
    return turned
