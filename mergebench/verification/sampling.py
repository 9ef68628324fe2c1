"""Which committed cells are measured again: a random few that have their updates in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mergebench.verification.stated import StatedCell, StatedTable


def sample(tables: Sequence[StatedTable], count: int, *, seed: int) -> list[StatedTable]:
    """Return the tables with `count` of their cells together, drawn by `seed`.

    Training takes most of the time. So only the first cell is drawn from all, of a table that is
    drawn, and the others from those that need no further updates than one cell does: one of those
    that need the most, the updates of the first among them. When these run out, the set grows by as
    few updates as a further cell needs.
    """
    tables, draw = [table for table in tables if table.cells], np.random.default_rng(seed)
    if not tables:
        return []
    own = tables[draw.integers(len(tables))].cells
    first = own[draw.integers(len(own))]
    cells = [cell for table in tables for cell in table.cells if cell is not first]
    cells = [first, *(cells[place] for place in draw.permutation(len(cells)))]
    waiting = [(cell, cell.releases) for cell in cells]
    updates = max((needed for _, needed in waiting if needed >= first.releases), key=len)
    chosen: list[StatedCell] = []
    while waiting and len(chosen) < count:
        ready = [cell for cell, needed in waiting if needed <= updates]
        chosen += ready[: count - len(chosen)]
        waiting = [(cell, needed) for cell, needed in waiting if not needed <= updates]
        more = (needed - updates for _, needed in waiting)
        updates |= min(more, key=len, default=frozenset())
    kept = {id(cell) for cell in chosen}
    reduced = (
        replace(table, cells=tuple(cell for cell in table.cells if id(cell) in kept))
        for table in tables
    )
    return [table for table in reduced if table.cells]
