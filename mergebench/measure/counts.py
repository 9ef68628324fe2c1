"""Integer counts, which all scores are until they are printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Counts = dict[str, int]
"""Correctly classified inputs by task name."""


def counted(hits: Mapping[str, Tensor]) -> Counts:
    """Return how many of each task's `(N,)` bool are true; the device is waited for once."""
    import torch

    if not hits:
        return {}
    found = torch.stack([own.sum() for own in hits.values()]).tolist()
    return dict(zip(hits, found, strict=True))


def on_host(classes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return each task's `(N,)` on the CPU, in one copy."""
    import torch

    if not classes:
        return {}
    together = torch.cat([*classes.values()]).cpu()
    return dict(zip(classes, together.split([len(own) for own in classes.values()]), strict=True))
