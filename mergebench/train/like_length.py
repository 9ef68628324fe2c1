"""Batches of inputs of like length, which need little padding."""

from __future__ import annotations

import torch
from torch import Tensor

_TOGETHER = 8
"""Batches that are sorted together: the more, the less padding, and the less inputs mix."""


def of_like_length(
    order: Tensor, lengths: Tensor, batch_size: int, draws: torch.Generator
) -> Tensor:
    """Return `order`, inputs moved between neighbouring batches so that each is of like length.

    `order`: `(N,)` indices, batch after batch; `lengths`: `(N,)`, of what they stand for. Of every
    eight batches the inputs are sorted by length and cut again, and these come in random order.
    """
    moved: list[Tensor] = []
    size = _TOGETHER * batch_size
    for rows, own in zip(order.split(size), lengths.split(size), strict=True):
        batches = rows[own.argsort(stable=True)].split(batch_size)
        moved += [batches[place] for place in torch.randperm(len(batches), generator=draws)]
    return torch.cat(moved)
