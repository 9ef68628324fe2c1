"""Jobs that need nothing heavy, and so are with their worker at once; a command of some."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from mergebench.ending import status_of
from mergebench.errors import InputError, PluginError
from mergebench.experiment.executors import Report, execute, worker_number

COMPLAINTS = "complaints.txt"


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


@dataclass(frozen=True, kw_only=True)
class WhichWorker:
    """Tells which process it is in."""

    label: str = "which"

    def run(self, report: Report) -> int:
        return worker_number()


def sleep_in(folder: Path) -> None:
    """Be a command with two workers that sleep, in a session of its own.

    What it complains about goes to a file of `folder`.
    """
    os.setsid()
    os.dup2(os.open(folder / COMPLAINTS, os.O_WRONLY | os.O_CREAT, 0o600), 2)
    # Shells let their background jobs ignore signals, and all that these start; tests may be one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    jobs = [Sleep(marker=str(folder / str(index))) for index in range(2)]
    sys.exit(status_of(lambda: len(list(execute(jobs, processes=2)))))
