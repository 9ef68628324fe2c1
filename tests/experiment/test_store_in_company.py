"""Cells on disk: intact after kills, and shared between processes."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

from numbered_cells import measured, numbered

from mergebench.experiment.store import Store

COUNT = 30
FORK = multiprocessing.get_context("fork")  # a killed child then costs milliseconds, not imports


def work(root: Path, journal: Path, count: int) -> None:
    """Measure what is missing; note every start and every end."""
    store = Store(root)
    with journal.open("a", buffering=1) as lines:
        for seed in range(count):
            if store.get(numbered(seed).key) is None:
                lines.write(f"start {seed}\n")
                store.put(measured(numbered(seed)))
                lines.write(f"end {seed}\n")


def test_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    root, journal = tmp_path / "cells", tmp_path / "journal"
    moments = random.Random(0)
    kills = 0
    seen: set[str] = set()
    Store(root)
    while len(seen) < COUNT:
        noted = len(journal.read_text().splitlines()) if journal.exists() else 0
        child = FORK.Process(target=work, args=(root, journal, COUNT))
        child.start()
        # A kill may come at any moment of a cell; the longer waits make sure that the loop ends.
        time.sleep(moments.expovariate(1 / (0.003 * 1.15**kills)))
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        kills += 1
        started = journal.read_text().splitlines()[noted:] if journal.exists() else []
        repeated = {numbered(int(line.split()[1])).key for line in started if "start" in line}
        assert not repeated & seen
        present = set(Store(root).keys())
        assert present >= seen
        seen = present
    assert kills > 3
    ended = [line for line in journal.read_text().splitlines() if line.startswith("end")]
    assert len(ended) == len(set(ended))
    store = Store(root)
    for seed in range(COUNT):
        cell = store.get(numbered(seed).key)
        assert cell is not None
        assert cell.results == measured(numbered(seed)).results


def test_two_processes_share_a_store(tmp_path: Path) -> None:
    root = tmp_path / "cells"
    children = [
        FORK.Process(target=work, args=(root, tmp_path / f"journal{index}", 40))
        for index in range(2)
    ]
    for child in children:
        child.start()
    reader = Store(root)
    while any(child.is_alive() for child in children):
        for cell in reader.cells():  # never half a cell
            assert cell.results.correct["mnist"] == cell.inputs.seed
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert set(reader.keys()) == {numbered(seed).key for seed in range(40)}
    assert len(list(root.iterdir())) == 40
