"""The arithmetic of a tower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16"]
"""`bf16` is autocast; weights, heads, logits and losses stay in float32."""


@contextmanager
def autocast(device: torch.device, precision: Precision) -> Iterator[None]:
    """Have a tower compute in that precision inside the context.

    A CPU without bfloat16 units gets the same products from float32 ones (`RoundedProducts`).
    """
    import torch

    from mergebench.backbones.rounded_products import RoundedProducts, multiplies_bfloat16

    low = precision == "bf16"
    with torch.autocast(device.type, torch.bfloat16, enabled=low):
        if low and device.type == "cpu" and not multiplies_bfloat16():
            with RoundedProducts():
                yield
        else:
            yield
