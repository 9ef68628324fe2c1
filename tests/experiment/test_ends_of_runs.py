"""Signals and deaths: however a run with several processes ends, none of them stays."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from copies import copies
from light_jobs import COMPLAINTS, sleep_in
from processes import children_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Sleepers:
    """A command with two busy workers, in a session of its own."""

    parent: BaseProcess
    pid: int
    workers: list[int]
    folder: Path

    def status(self, limit_s: float = 60) -> int | None:
        self.parent.join(limit_s)
        return self.parent.exitcode

    def ended(self) -> tuple[int | None, str]:
        """Return exit status and complaints; no worker outlives the command by more than 1 s."""
        status = self.status()
        wait_until(lambda: not any(map(is_alive, self.workers)), limit_s=1)
        return status, (self.folder / COMPLAINTS).read_text()


@pytest.fixture(scope="module")
def commands() -> Iterator[ForkServerContext]:
    """Copies of a process that has imported all; their own workers are started as always."""
    with copies("light_jobs", "mergebench.registry") as context:
        yield context


@pytest.fixture
def sleepers(commands: ForkServerContext, tmp_path: Path) -> Iterator[Sleepers]:
    parent = commands.Process(target=sleep_in, args=(tmp_path,))
    parent.start()
    assert parent.pid is not None
    try:
        wait_until(lambda: all((tmp_path / str(index)).exists() for index in range(2)))
        workers = children_of(parent.pid)
        assert len(workers) == 2
        yield Sleepers(parent=parent, pid=parent.pid, workers=workers, folder=tmp_path)
    finally:
        with suppress(ProcessLookupError):  # or they would sleep on after the tests
            os.killpg(parent.pid, signal.SIGKILL)
        parent.join()


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
    (os.killpg if to_all else os.kill)(sleepers.pid, number)
    expected = f"mergebench: {word}; what was measured is kept\n"
    assert sleepers.ended() == (128 + number, expected)


def test_a_second_signal_ends_at_once(sleepers: Sleepers) -> None:
    for worker in sleepers.workers:
        os.kill(worker, signal.SIGSTOP)  # so that ending in order would have to wait for them
    wait_until(lambda: {state_of(worker) for worker in sleepers.workers} == {"T"})
    os.kill(sleepers.pid, signal.SIGINT)
    time.sleep(0.3)
    os.kill(sleepers.pid, signal.SIGINT)
    # As the last thing that Python does, it puts the system's own handling of signals back.
    status = sleepers.status(limit_s=1)
    assert status in (130, -signal.SIGINT)
    for worker in sleepers.workers:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)
    assert sleepers.ended() == (status, "mergebench: interrupted; what was measured is kept\n")


def test_workers_end_with_a_parent_that_is_killed(sleepers: Sleepers) -> None:
    os.kill(sleepers.pid, signal.SIGKILL)
    status, errors = sleepers.ended()
    for index in range(2):
        (sleepers.folder / f"{index}.go").touch()
    time.sleep(0.2)
    assert (status, errors) == (-signal.SIGKILL, "")
    assert not list(sleepers.folder.glob("*.stored"))


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody waits for any more does not."""
    return state_of(pid) not in "ZX"


def state_of(pid: int) -> str:
    """Return the letter of a process's state; X if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "X"


def wait_until(condition: Callable[[], bool], limit_s: float = 120) -> None:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < limit_s
        time.sleep(0.02)
