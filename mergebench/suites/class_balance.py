"""The order in which classes take turns, which subsets of few inputs are cut from."""

from __future__ import annotations

import torch
from torch import Tensor


def turns(labels: Tensor) -> Tensor:
    """Return how many earlier entries have the same label, by entry; `labels`: `(N,)` int64."""
    found = torch.zeros_like(labels)
    for label in labels.unique():
        members = labels == label
        found[members] = torch.arange(int(members.sum()), device=labels.device)
    return found


def in_turns(labels: Tensor) -> Tensor:
    """Return all indices `(N,)`: the first entry of every class, then the second of each, ..."""
    return torch.argsort(turns(labels), stable=True)
