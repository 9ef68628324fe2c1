"""Signals and deaths: however a run with several processes ends, none of them stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import children_of

from mergebench.experiment.executors import Report

SLEEPERS = """
import signal
import sys
from test_ends_of_runs import Sleep
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
