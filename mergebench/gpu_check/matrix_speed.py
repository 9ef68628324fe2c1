"""What the device gives at most: products of two large matrices."""

from __future__ import annotations

import torch

from mergebench.backbones import Precision
from mergebench.gpu_check.record import MatrixSpeed
from mergebench.gpu_check.stopwatch import median_kernel_seconds
from mergebench.seeding import generator

_DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}


def matrix_speed(device: torch.device, precision: Precision, side: int) -> MatrixSpeed:
    """Return the speed of products of `(side, side)` matrices of random numbers.

    Random, because some GPUs multiply zeros faster. Float32 is computed as such (`choose_device`).
    """
    draws = generator(0, "matrix speed")
    left, right = (
        torch.randn(side, side, generator=draws).to(device, _DTYPES[precision]) for _ in range(2)
    )
    out = torch.empty_like(left)
    taken = median_kernel_seconds(lambda: torch.mm(left, right, out=out), device, rounds=10)
    return MatrixSpeed(precision=precision, side=side, flops=2 * side**3 / taken)
