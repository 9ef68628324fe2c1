"""Jobs here and in several processes: equal results, clean ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from miniature import FEW_IMAGES

from mergebench.contracts import Merger
from mergebench.errors import InputError, JobError, PluginError
from mergebench.experiment.executors import Report, execute
from mergebench.registry import registry
from mergebench.seeding import generator


@dataclass(frozen=True, kw_only=True)
class Sum:
    """Sums random numbers, whose order of addition depends on the number of threads."""

    seed: int

    @property
    def label(self) -> str:
        return f"sum {self.seed}"

    def run(self, report: Report) -> tuple[int, float]:
        numbers = torch.randn(200_000, generator=generator(self.seed))
        for part in range(3):
            report({"seed": self.seed, "part": part})
        return torch.get_num_threads(), float(numbers.sum())


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Fails in one of several ways."""

    kind: str
    label: str = "train textures"

    def run(self, report: Report) -> object:
        if self.kind == "input":
            raise InputError("adapter.safetensors is truncated: fetch it again")
        if self.kind == "plugin":
            raise PluginError("attack x of x.py: at site y: KeyError")
        if self.kind == "defect":
            raise KeyError("weight")
        if self.kind == "exit":
            sys.exit(0)
        if self.kind == "memory":
            raise MemoryError
        if self.kind == "unpicklable":
            return lambda: None
        return os.kill(os.getpid(), signal.SIGKILL)


def collect(jobs: list[Any], processes: int) -> tuple[dict[int, Any], dict[int, list[Any]]]:
    events: dict[int, list[Any]] = {}
    results = {
        done.index: done.result
        for done in execute(
            jobs,
            processes=processes,
            on_event=lambda index, event: events.setdefault(index, []).append(event),
        )
    }
    return results, events


def test_results_and_events_do_not_depend_on_the_number_of_processes() -> None:
    jobs = [Sum(seed=seed) for seed in range(5)]
    threads = torch.get_num_threads()
    results, events = collect(jobs, processes=1)
    assert (results, events) == collect(jobs, processes=2)
    assert list(results) == list(range(5))
    assert all(count == 1 for count, _ in results.values())
    assert events[3] == [{"seed": 3, "part": part} for part in range(3)]
    assert torch.get_num_threads() == threads


@dataclass(frozen=True, kw_only=True)
class Find:
    """Finds an attack by name."""

    attack: str
    label: str = "find"

    def run(self, report: Report) -> str:
        return registry().get(Merger, self.attack).name


def test_plugin_files_are_known_in_every_process() -> None:
    registry().add_file(FEW_IMAGES)
    results, _ = collect([Find(attack="weighted_sum")] * 2, processes=2)
    assert results == {0: "weighted_sum", 1: "weighted_sum"}


def test_nothing_to_do() -> None:
    assert list(execute([], processes=4)) == []
    with pytest.raises(InputError, match="0 processes: give at least 1"):
        execute([], processes=0)


@pytest.mark.parametrize("processes", [1, 2])
def test_input_errors_arrive_as_they_are(processes: int) -> None:
    with pytest.raises(InputError, match=r"^adapter\.safetensors is truncated: fetch it again$"):
        collect([Fault(kind="input"), Sum(seed=0)], processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_plugin_that_breaks_its_contract_is_named_as_it_is(processes: int) -> None:
    with pytest.raises(PluginError, match=r"^attack x of x\.py: at site y: KeyError$"):
        collect([Fault(kind="plugin"), Sum(seed=0)], processes)


@pytest.mark.parametrize("processes", [1, 2])
def test_defects_name_the_job_and_keep_the_traceback(processes: int) -> None:
    with pytest.raises(JobError, match=r"^train textures: KeyError: 'weight'$") as caught:
        collect([Fault(kind="defect"), Sum(seed=0)], processes)
    cause = caught.value.__cause__
    assert isinstance(cause, KeyError) or "in run" in str(cause)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("exit", "train textures: SystemExit: 0"),
        ("memory", "train textures: not enough memory (MemoryError)"),
    ],
)
def test_whatever_a_job_raises_is_told(kind: str, message: str, processes: int) -> None:
    with pytest.raises(JobError, match=f"^{re.escape(message)}$"):
        collect([Fault(kind=kind), Sum(seed=0)], processes)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("kill", "train textures: its process was ended by SIGKILL; .*out of memory"),
        ("unpicklable", "train textures: .*pickle"),
    ],
)
def test_a_process_that_dies_ends_the_run(kind: str, message: str) -> None:
    with pytest.raises(JobError, match=message):
        collect([Fault(kind=kind), Sum(seed=0)], processes=2)
    assert children_of(os.getpid()) == []


SLEEPERS = """
import signal
import sys
from test_executors import Sleep
from mergebench.ending import status_of
from mergebench.experiment.executors import execute

if __name__ == "__main__":
    # Shells let their background jobs ignore signals, and all that these start; tests may be one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    jobs = [Sleep(marker=f"{sys.argv[1]}/{index}") for index in range(2)]
    sys.exit(status_of(lambda: list(execute(jobs, processes=2))))
"""


@dataclass(frozen=True, kw_only=True)
class Sleep:
    """Says that it runs, by a file, sleeps, and says that it goes on, by another."""

    marker: str
    label: str = "sleep"

    def run(self, report: Report) -> None:
        Path(self.marker).touch()
        while True:
            time.sleep(0.05)
            if Path(f"{self.marker}.go").exists():
                Path(f"{self.marker}.stored").touch()


@dataclass(frozen=True, kw_only=True, eq=False)
class Sleepers:
    """A command with two busy workers, in a session of its own."""

    parent: subprocess.Popen[str]
    workers: list[int]
    folder: Path

    def ended(self) -> tuple[int, str]:
        """Return exit status and complaints; no worker outlives the command by more than 1 s."""
        _, errors = self.parent.communicate(timeout=60)
        wait_until(lambda: not any(map(is_alive, self.workers)), limit_s=1)
        return self.parent.returncode, errors


@pytest.fixture
def sleepers(tmp_path: Path) -> Iterator[Sleepers]:
    script = tmp_path / "sleepers.py"
    script.write_text(SLEEPERS)
    paths = os.pathsep.join(filter(None, sys.path))
    parent = subprocess.Popen(
        [sys.executable, script, tmp_path],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": paths},
    )
    try:
        wait_until(lambda: all((tmp_path / str(index)).exists() for index in range(2)))
        workers = children_of(parent.pid)
        assert len(workers) == 2
        yield Sleepers(parent=parent, workers=workers, folder=tmp_path)
    finally:
        with suppress(ProcessLookupError):  # or they would sleep on after the tests
            os.killpg(parent.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("number", "word", "to_all"),
    [
        (signal.SIGINT, "interrupted", True),  # as a terminal does
        (signal.SIGTERM, "terminated", False),
        (signal.SIGHUP, "hung up", True),
    ],
    ids=["SIGINT-to all", "SIGTERM-to the parent", "SIGHUP-to all"],
)
def test_a_signal_ends_all_processes_with_one_line(
    sleepers: Sleepers, number: signal.Signals, word: str, to_all: bool
) -> None:
    (os.killpg if to_all else os.kill)(sleepers.parent.pid, number)
    expected = f"mergebench: {word}; what was measured is kept\n"
    assert sleepers.ended() == (128 + number, expected)


def test_a_second_signal_ends_at_once(sleepers: Sleepers) -> None:
    for worker in sleepers.workers:
        os.kill(worker, signal.SIGSTOP)  # so that ending in order would have to wait for them
    os.kill(sleepers.parent.pid, signal.SIGINT)
    time.sleep(0.3)
    os.kill(sleepers.parent.pid, signal.SIGINT)
    # As the last thing that Python does, it puts the system's own handling of signals back.
    status = sleepers.parent.wait(timeout=1)
    assert status in (130, -signal.SIGINT)
    for worker in sleepers.workers:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)
    assert sleepers.ended() == (status, "mergebench: interrupted; what was measured is kept\n")


def test_workers_end_with_a_parent_that_is_killed(sleepers: Sleepers) -> None:
    os.kill(sleepers.parent.pid, signal.SIGKILL)
    status, errors = sleepers.ended()
    for index in range(2):
        (sleepers.folder / f"{index}.go").touch()
    time.sleep(0.2)
    assert (status, errors) == (-signal.SIGKILL, "")
    assert not list(sleepers.folder.glob("*.stored"))


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody waits for any more does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], limit_s: float = 120) -> None:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < limit_s
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    """Processes whose parent is `pid`, but for multiprocessing's resource tracker."""
    children = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rsplit(")", 1)[1].split()[1])
            command = entry.with_name("cmdline").read_text()
        except OSError:
            continue
        if parent == pid and "resource_tracker" not in command:
            children.append(int(entry.parent.name))
    return children
