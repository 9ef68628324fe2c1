"""A store of a million cells: opening it, finding cells in it and making a table from it."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import pytest
from miniature import FEW_IMAGES, PROTOCOL, SETTING, TASKS
from rich.console import Console

from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import measure_merges
from mergebench.experiment.store import Store
from mergebench.measure import Measurements
from mergebench.report import write_table2

CELLS = 1_000_000
"""What 100 protections x 30 attacks x 20 targets come to with 16 seeds, about."""

pytestmark = pytest.mark.slow


def measure(root: Path) -> Measurements:
    """Return what a new process would measure or recall."""
    experiment_module._workbench.cache_clear()
    experiment = Experiment(
        backbone="mini_vit",
        setting=SETTING,
        protocol=PROTOCOL,
        seeds=(0,),
        store=root,
        command="mergebench table2",
        tasks=TASKS,
        attacks=("ta@full", "ties@core"),
        plugins=(FEW_IMAGES,),
    )
    return measure_merges(experiment, Monitor(Console(file=StringIO())), processes=1)


@dataclass(frozen=True, kw_only=True)
class Crowded:
    """A store with the cells of a small table among a million files of their size."""

    root: Path
    own: tuple[str, ...]
    table: Measurements

    @property
    def cells(self) -> Store:
        return Store(self.root / "cells")


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Crowded:
    root = tmp_path_factory.mktemp("crowded")
    table = measure(root)
    cells = Store(root / "cells")
    own = cells.keys()
    content = cells.path(own[0]).read_bytes()
    for number in range(CELLS - len(own)):
        name = hashlib.sha256(str(number).encode()).hexdigest()
        cells.path(name).write_bytes(content)
    return Crowded(root=root, own=own, table=table)


def seconds_since(start: float) -> float:
    return time.perf_counter() - start


def test_it_opens_at_once_and_finds_what_it_has(crowded: Crowded) -> None:
    start = time.perf_counter()
    store = crowded.cells
    assert store.get(crowded.own[0]) is not None
    assert store.get("0" * 64) is None
    opened = seconds_since(start)
    start = time.perf_counter()
    assert len(store.keys()) == CELLS
    print(f"open and look for two cells: {opened:.4f} s; all keys: {seconds_since(start):.2f} s")
    assert opened < 1


def test_a_table_takes_no_longer(crowded: Crowded, tmp_path: Path) -> None:
    start = time.perf_counter()
    again = measure(crowded.root)
    write_table2(again, tmp_path)
    took = seconds_since(start)
    print(f"a table of {len(again.merged)} merges: {took:.2f} s")
    assert took < 10
    assert again.merged == crowded.table.merged


def test_a_new_cell_takes_no_longer(crowded: Crowded, tmp_path: Path) -> None:
    cell = crowded.cells.get(crowded.own[0])
    assert cell is not None
    took = []
    for store in (Store(tmp_path), crowded.cells):
        start = time.perf_counter()
        for seed in range(100):
            store.put(replace(cell, inputs=replace(cell.inputs, seed=1000 + seed)))
        took.append(seconds_since(start) / 100)
    print(
        f"put: {1000 * took[0]:.1f} ms into an empty store, {1000 * took[1]:.1f} ms into this one"
    )
    assert took[1] < 3 * took[0]
