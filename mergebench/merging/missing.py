"""Updates that do not all change the same sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from mergebench.updates import Dense, LowRank, SiteUpdate, Update


def with_missing_as_zero(updates: Sequence[Update]) -> list[Update]:
    """Return updates that all change every site that one of them changes, by zero where it did not.

    A zero has the kind, shape and dtype of the first change of its site, with factors of rank 1
    where that has factors, and is on its device. The order of sites is that in which the updates
    name them.
    """
    first: dict[str, SiteUpdate] = {}
    for update in updates:
        for site, change in update.sites.items():
            first.setdefault(site, change)
    return [
        replace(
            update,
            sites={site: update.sites.get(site) or _zero(change) for site, change in first.items()},
        )
        for update in updates
    ]


def _zero(like: SiteUpdate) -> SiteUpdate:
    if isinstance(like, LowRank):
        rows, columns = like.shape
        up = torch.zeros(rows, 1, dtype=like.dtype, device=like.device)
        return LowRank(up=up, down=torch.zeros(1, columns, dtype=like.dtype, device=like.device))
    return Dense(delta=torch.zeros(like.shape, dtype=like.dtype, device=like.device))
