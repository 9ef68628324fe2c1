"""How much of one change lies along another."""

from __future__ import annotations

import torch

from mergebench.updates.update import LowRank, SiteUpdate, Update

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


def scale_along(change: Update, update: Update) -> float:
    """Return `<change, update> / <update, update>` over all sites, in float64.

    It is the scale at which `change` holds `update`: `s` of `s · update` and of whatever is
    orthogonal to it beside that. Sites that one of them lacks are unchanged by it. `ValueError` for
    an update that is zero, which has no scale.
    """
    size = update.norm() ** 2
    if size == 0:
        raise ValueError(f"{update.label} is zero: a change holds it at every scale")
    shared = change.sites.keys() & update.sites.keys()
    return sum(inner(change.sites[site], update.sites[site]) for site in sorted(shared)) / size
