"""Which committed cells are measured again: a random few that have their updates in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mergebench.verification.stated import StatedCell, StatedTable


def sample(tables: Sequence[StatedTable], count: int, *, seed: int) -> list[StatedTable]:
    """Return the tables with `count` of their cells together, drawn by `seed`.

    Training takes most of the time, so a set of updates is drawn first, one of the largest that a
    cell needs, and then cells that need no other update. When these run out, the set grows by as
    few updates as a further cell needs.
    """
    cells = [cell for table in tables for cell in table.cells]
    waiting = [cells[place] for place in np.random.default_rng(seed).permutation(len(cells))]
    updates = max((cell.releases for cell in waiting), key=len)
    chosen: list[StatedCell] = []
    while waiting and len(chosen) < count:
        ready = [cell for cell in waiting if cell.releases <= updates]
        chosen += ready[: count - len(chosen)]
        waiting = [cell for cell in waiting if not cell.releases <= updates]
        more = (cell.releases - updates for cell in waiting)
        updates |= min(more, key=len, default=frozenset())
    kept = {id(cell) for cell in chosen}
    reduced = (
        replace(table, cells=tuple(cell for cell in table.cells if id(cell) in kept))
        for table in tables
    )
    return [table for table in reduced if table.cells]
