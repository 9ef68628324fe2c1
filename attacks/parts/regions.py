"""Regions of the weights that updates claim, each put in at the scale that it has."""

from __future__ import annotations

import torch
from torch import Tensor

from mergebench.contracts import Stacks


def stitched(stack: Tensor, claimed: Tensor) -> Tensor:
    """Return `Σ_i m_i ⊙ τ_i / max(1, Σ_j m_j)`: what one update claims as it is, else the mean.

    `stack`: `(T, a, b)` float; `claimed`: the masks `m_i`, `(T, a, b)` bool. Returns `(a, b)`.
    """
    claims = claimed.sum(dim=0).clamp(min=1)
    return stack.masked_fill(~claimed, 0).sum(dim=0) / claims


def largest_from(stacks: Stacks, top_k: float) -> Tensor:
    """Return from which magnitude on the entries of each update are its `top_k` percent largest.

    `stacks` yields `(T, a, b)` of one site after the other, of the same dtype, at every call alike.
    Returns `(T,)`; as many entries are counted as `top_k` percent are, rounded down, at least one.
    Held are the largest entries so far and one site.
    """
    size = sum(stack[0].numel() for stack in stacks())
    count = max(1, int(size * (top_k / 100)))
    largest: Tensor | None = None
    for stack in stacks():
        found = stack.abs().flatten(start_dim=1)
        if largest is not None:
            found = torch.cat([largest, found], dim=1)
        largest = found.topk(min(count, found.shape[1]), dim=1, sorted=False).values
    assert largest is not None
    return largest.amin(dim=1)
