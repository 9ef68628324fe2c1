"""How much of one change lies along another."""

from __future__ import annotations

import torch

from mergebench.updates.update import LowRank, SiteUpdate

_ENTRIES_AT_ONCE = 1 << 22
"""How many entries of dense changes are widened to float64 in one step."""


def inner(first: SiteUpdate, second: SiteUpdate) -> float:
    """Return `<first, second>`, the inner product of two changes of one site, in float64.

    Of factors it comes from their Gram matrices. `ValueError` for changes of different shapes.
    """
    if first.shape != second.shape:
        raise ValueError(f"changes of {first.shape} and {second.shape} have no inner product")
    if isinstance(first, LowRank) and isinstance(second, LowRank):
        ups = first.up.double().T @ second.up.double()
        return float((ups * (first.down.double() @ second.down.double().T)).sum())
    parts = (change.dense().flatten().split(_ENTRIES_AT_ONCE) for change in (first, second))
    return sum(float(torch.dot(a.double(), b.double())) for a, b in zip(*parts, strict=True))
