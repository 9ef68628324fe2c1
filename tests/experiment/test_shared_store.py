"""Two runs on one store share the work, wait for each other, and survive each other's death."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from copies import copies
from shared_store import measure_in

from mergebench.experiment.store import Store
from mergebench.files import Claims
from mergebench.measure import CellResults

PATIENCE_S = 120.0


IMPORTED_LATE = ("mergebench.backbones.clip.architectures", "peft")
"""What a run imports when it needs it, for seconds; copies have it from the beginning."""

Begin = Callable[[Path, Path], BaseProcess]


@pytest.fixture(scope="module")
def begin() -> Iterator[Begin]:
    """Begin runs, none of which outlives the tests."""
    begun = []
    with copies("shared_store", *IMPORTED_LATE) as runs:

        def begin_one(store: Path, out: Path) -> BaseProcess:
            run = runs.Process(target=measure_in, args=(store, out))
            run.start()
            begun.append(run)
            return run

        yield begin_one
        for run in begun:
            run.kill()
            run.join()


def end(run: BaseProcess) -> None:
    run.join(PATIENCE_S)
    assert run.exitcode == 0


def wait_until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def results(store: Path) -> dict[str, CellResults]:
    return {cell.key: cell.results for cell in Store(store / "cells").cells()}


def updates(store: Path) -> dict[str, bytes]:
    files = (store / "releases").glob("*/adapter_model.safetensors")
    return {file.parent.name: file.read_bytes() for file in files}


def stop_at_work(store: Path, run: BaseProcess) -> None:
    """Stop a run while it trains an update, after the first one."""
    pid = run.pid or 0
    wait_until(lambda: updates(store))
    while True:
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: ") T " in Path(f"/proc/{pid}/stat").read_text())
        claims = [file for file in (store / "claims").glob("*-*") if file.stat().st_size]
        if any(file.name not in updates(store) for file in claims):
            return
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.01)
        assert run.is_alive()


@pytest.fixture(scope="module")
def alone(begin: Begin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run that had it for itself."""
    folder = tmp_path_factory.mktemp("alone")
    end(begin(folder / "runs", folder / "out"))
    return folder / "runs"


@pytest.mark.slow
def test_two_runs_do_everything_once_and_make_the_same_tables(
    tmp_path: Path, alone: Path, begin: Begin
) -> None:
    store, outs = tmp_path / "runs", [tmp_path / "first", tmp_path / "second"]
    for run in [begin(store, out) for out in outs]:
        end(run)
    assert results(store) == results(alone)
    assert updates(store) == updates(alone)
    counts = [int((out / "measured.txt").read_text()) for out in outs]
    assert sum(counts) == len(results(alone)) + len(updates(alone))
    assert min(counts) > 0
    first, second = (
        {file.name: file.read_bytes() for file in (out / "tables").iterdir()} for out in outs
    )
    assert first == second
    assert [*(store / "claims").iterdir()] == []


@pytest.mark.slow
def test_a_run_takes_over_what_a_killed_one_was_at(
    tmp_path: Path, alone: Path, begin: Begin
) -> None:
    store, out = tmp_path / "runs", tmp_path / "second"
    killed = begin(store, tmp_path / "first")
    stop_at_work(store, killed)
    other, shown = begin(store, out), out / "shown.txt"
    wait_until(lambda: shown.exists() and "waiting" in shown.read_text())
    line = f"waiting for 1 that process {killed.pid} on {os.uname().nodename} measures"
    assert shown.read_text().splitlines()[-1] == f"adapters 3/4: {line}"
    assert len(updates(store)) == 3
    os.kill(killed.pid or 0, signal.SIGKILL)
    end(other)
    assert results(store) == results(alone)
    assert updates(store) == updates(alone)
    assert [*(store / "claims").iterdir()] == []


@pytest.mark.slow
def test_a_merge_that_was_put_off_is_shown_once(tmp_path: Path, alone: Path, begin: Begin) -> None:
    store, out = tmp_path / "runs", tmp_path / "out"
    cells = (cell for cell in Store(alone / "cells").cells() if cell.inputs.attack is not None)
    second = next(cell.key for cell in cells if cell.inputs.attack.name == "tsv")
    with Claims(store / "claims").claimed(second):
        run, shown = begin(store, out), out / "shown.txt"
        wait_until(lambda: shown.exists() and "waiting" in shown.read_text())
        line = f"waiting for 1 that process {os.getpid()} on {os.uname().nodename} measures"
        assert shown.read_text().splitlines()[-1] == f"merges 5/6: {line}"
        assert [file.name for file in (store / "claims").iterdir()] == [second]
    end(run)
    assert results(store) == results(alone)
    assert "merges: 6 measured, 0 recalled" in shown.read_text()
    assert shown.read_text().count("waiting") == 1
