"""Which cells of committed tables are drawn to be measured again."""

from __future__ import annotations

from pathlib import Path

import pytest
from repository import ROOT

from mergebench.commands.runs.stated_commands import stated_setting
from mergebench.report import Sheet
from mergebench.verification import StatedCell, StatedTable, read_tables, sample

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
    file = Path("t_targets.csv")
    sheet = Sheet(file=file, columns=(), rows=())
    return StatedTable(file=file, facts={}, cells=tuple(cells), sheet=sheet)


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


def test_cells_of_a_table_of_fewer_tasks_are_drawn_beside_larger_tables():
    """Each of their merges needs four updates, and one of them is in no merge of another table."""
    tables = read_tables(ROOT / "results/mini_vit", stated_setting)
    (small,) = (table for table in tables if "table4_tasks-mnist-letters-chess" in str(table.file))
    waiting = {(one.name, one.seed) for one in small.cells}
    assert len(waiting) == 32
    for seed in range(2000):
        found = sample(tables, 12, seed=seed)
        assert sum(len(table.cells) for table in found) == 12
        waiting -= {(one.name, one.seed) for t in found if t.file == small.file for one in t.cells}
        if not waiting:
            break
    assert waiting == set()
