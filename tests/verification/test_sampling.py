"""Which cells of committed tables are drawn to be measured again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mergebench.verification import StatedCell, StatedTable, sample

TASKS = ("a", "b", "c")


def cell(seed: int, **parts) -> StatedCell:
    return StatedCell(seed=seed, correct={}, sizes={}, **parts)


def a_table() -> StatedTable:
    """Two seeds: zero-shot, every update alone, and merges by two attacks."""
    cells = []
    for seed in (0, 1):
        cells.append(cell(seed))
        for name in ("none", "trap2"):
            cells += [cell(seed, protection=name, target=task) for task in TASKS]
        for attack in ("ta", "ties"):
            for name, target in [("none", None), *(("trap2", task) for task in TASKS)]:
                merge = {"attack": attack, "space": "full", "tasks": TASKS}
                cells.append(cell(seed, protection=name, target=target, **merge))
    return StatedTable(file=Path("t_targets.csv"), facts={}, cells=tuple(cells))


def drawn(count: int, seed: int) -> tuple[StatedCell, ...]:
    (table,) = sample([a_table()], count, seed=seed)
    return table.cells


def updates(cells: tuple[StatedCell, ...]) -> set:
    return {release for one in cells for release in one.releases}


@pytest.mark.parametrize("seed", range(20))
def test_a_small_sample_needs_the_updates_of_one_protected_merge(seed):
    cells = drawn(8, seed)
    assert len(cells) == 8
    assert drawn(8, seed) == cells
    protected = {one for one in updates(cells) if one[0] == "trap2"}
    assert len(protected) <= 1
    assert len({one[2] for one in updates(cells)}) == 1


def test_a_larger_sample_adds_one_update_at_a_time():
    assert len(updates(drawn(11, 3))) <= len(TASKS) + 2
    assert len(drawn(100, 3)) == len(a_table().cells)


def test_every_cell_can_be_drawn():
    names = {(one.name, one.seed) for seed in range(200) for one in drawn(4, seed)}
    assert names == {(one.name, one.seed) for one in a_table().cells}
