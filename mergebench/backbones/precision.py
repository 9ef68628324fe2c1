"""The arithmetic of a vision tower."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16"]
"""`bf16` is autocast; weights, heads, logits and losses stay in float32."""


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Return the context in which a tower computes."""
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
