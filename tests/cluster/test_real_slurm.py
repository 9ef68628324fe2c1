"""A real Slurm on this machine: tables through it, and what goes wrong on clusters.

Each fault comes while a job of the array is at a merge, which takes as long as a file is there. How
to run these tests: docs/cluster.md.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from repository import ROOT
from slurm_node import SlurmNode, lacking, slurm_node, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(lacking()), reason=f"no Slurm: {lacking()}"),
]
PATIENCE_S = 600
SUPPORT = ROOT / "tests" / "support"
SLURM = ("--executor", "slurm", "--slurm-cells", "5")
SLOW = ("--plugin", str(SUPPORT / "slow_attack.py"), "--attacks", "slow_sum@full")

BEGUN: list[subprocess.Popen[str]] = []


@pytest.fixture(scope="module")
def node() -> Iterator[SlurmNode]:
    with slurm_node() as found:
        yield found
        for process in BEGUN:
            process.kill()
            process.wait()


@dataclass
class Run:
    """The command in a process of its own; its store and results lie in `folder`."""

    process: subprocess.Popen[str]
    folder: Path

    def end(self, status: int = 0) -> str:
        """Wait until it has ended; return what it printed, both streams."""
        shown, _ = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == status, shown
        return shown

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def table(self) -> dict[str, bytes]:
        files = (self.folder / "results" / "mini_vit").iterdir()
        return {file.name: file.read_bytes() for file in files}


def begin(node: SlurmNode, folder: Path, *words: str) -> Run:
    """Begin table 2 of few images, with one thread and below nice 8."""
    environment = {
        **node.environment,
        "PYTHONPATH": f"{ROOT}:{SUPPORT}",
        "OMP_NUM_THREADS": "1",
        "WAIT_WHILE": str(folder / "wait"),
    }
    command = ["nice", "-n", "8", sys.executable, SUPPORT / "few_command.py", "table2", *words]
    process = subprocess.Popen(
        [*command, "--store", folder / "store", "--results", folder / "results"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
    )
    BEGUN.append(process)
    return Run(process, folder)


@pytest.fixture(scope="module")
def local(node: SlurmNode, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What this machine measures without Slurm."""
    run = begin(node, tmp_path_factory.mktemp("local"), "--attacks", "ta@full tsv@full")
    run.end()
    return run


@dataclass
class AtWork:
    """A run of which a job of the array is at a merge, until `let_go`."""

    run: Run
    begin_again: Callable[[], Run]

    @property
    def job(self) -> str:
        (log,) = self.run.store.glob("slurm/*/*_log.out")
        return log.name.partition("_")[0]

    def let_go(self) -> None:
        (self.run.folder / "wait").unlink()

    def goes_on(self) -> None:
        """Run the same command again: what is missing is measured."""
        (self.run.folder / "wait").unlink(missing_ok=True)
        assert "merges: 3 measured, 0 recalled" in self.begin_again().end()


@pytest.fixture
def at_work(node: SlurmNode, local: Run, tmp_path: Path) -> Callable[..., AtWork]:
    def start(*words: str, folder: Path = tmp_path) -> AtWork:
        shutil.copytree(local.store / "releases", folder / "store" / "releases")
        shutil.copytree(local.store / "cells", folder / "store" / "cells")
        (folder / "wait").touch()
        run = begin(node, folder, *SLOW, *SLURM, *words)
        claims = run.store / "claims"
        wait_until(lambda: run.process.poll() is not None or any(claims.glob("[0-9a-f]*")))
        assert run.process.poll() is None, run.end()
        return AtWork(run, lambda: begin(node, folder, *SLOW, *SLURM))

    return start


def lost(shown: str) -> str:
    """Return how the one job was lost that the last line names, with a log that is there."""
    last = shown.splitlines()[-1]
    named = re.fullmatch(
        r"mergebench: job \d+ of Slurm \(.*\): (.*); log (\S+); the same command goes on; "
        "what was measured before is kept",
        last,
    )
    assert named is not None, shown
    assert Path(named[2]).is_file()
    return named[1]


def test_the_table_is_that_of_this_machine(node, local, tmp_path):
    run = begin(node, tmp_path, "--attacks", "ta@full tsv@full", *SLURM)
    shown = run.end()
    assert run.table() == local.table()
    assert "zero-shot and adapters: 5 measured, 0 recalled" in shown
    assert "merges: 6 measured, 0 recalled" in shown
    assert list(run.store.glob("slurm/*")) == []


def test_a_killed_run_goes_on_to_the_same_table(node, local, tmp_path):
    words = ("--attacks", "ta@full tsv@full", *SLURM)
    killed = begin(node, tmp_path, *words)
    wait_until(lambda: any(killed.store.glob("releases/*-*")))
    killed.process.kill()
    killed.process.communicate()
    node.ask("scancel", "--user=root")
    run = begin(node, tmp_path, *words)
    run.end()
    assert run.table() == local.table()


def test_a_cancelled_job_is_named_and_its_cells_are_missing(node, at_work):
    work = at_work()
    node.ask("scancel", work.job)
    assert lost(work.run.end(1)) == "was cancelled or preempted"
    assert list((work.run.store / "claims").iterdir()) == []
    work.goes_on()


def test_a_job_whose_node_is_set_down_is_named(node, at_work):
    work = at_work()
    node.set_down()
    how = lost(work.run.end(1))
    node.resume()
    assert how in ("NODE_FAIL", "was cancelled or preempted")
    assert list((work.run.store / "claims").iterdir()) == []


def test_a_job_that_comes_to_its_time_limit_is_named(at_work):
    work = at_work("--slurm-time", "4")
    assert lost(work.run.end(1)) == "came to its time limit"
    assert list((work.run.store / "claims").iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder])
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_named(at_work, small_disk):
    work = at_work(folder=small_disk)
    with (small_disk / "full").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    work.let_go()
    assert "No space left on device" in work.run.end(2).splitlines()[-1]
    (small_disk / "full").unlink()
    work.goes_on()


@pytest.mark.parametrize("interrupt", ["cancel", "leave"])
def test_an_interrupt_cancels_the_jobs_or_leaves_them(node, at_work, interrupt):
    work = at_work("--slurm-interrupt", interrupt)
    job = work.job
    work.run.process.send_signal(signal.SIGINT)
    shown = work.run.end(130)
    if interrupt == "cancel":
        assert f"cancelled 1 job of Slurm: {job}" in shown
        wait_until(lambda: not node.ask("squeue", "--noheader"))
        assert list((work.run.store / "claims").iterdir()) == []
    else:
        assert f"to cancel: scancel {job}" in shown
        assert node.ask("squeue", "--noheader", "--format=%i %T").split() == [job, "RUNNING"]
        work.let_go()
        wait_until(lambda: not node.ask("squeue", "--noheader"))
        assert "merges: 0 measured, 3 recalled" in work.begin_again().end()


def test_two_submitters_share_a_store_and_measure_nothing_twice(node, local, tmp_path):
    words = ("--attacks", "ta@full tsv@full", "--executor", "slurm", "--slurm-cells", "3")
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    (second / "store").symlink_to(first / "store")
    runs = [begin(node, folder, *words) for folder in (first, second)]
    shown = [run.end() for run in runs]
    assert runs[0].table() == runs[1].table() == local.table()
    for stage, cells in (("zero-shot and adapters", 5), ("merges", 6)):
        counts = [int(re.search(rf"{stage}: (\d+) measured", one)[1]) for one in shown]
        assert sum(counts) == cells, shown
