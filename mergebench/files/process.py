"""A process as other processes know it, on whatever machine."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

_STATE, _STARTED = 0, 19
"""Fields of `/proc/PID/stat` after the name."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process id with what makes it one of a kind.

    `started`: clock ticks after the boot, since numbers are given again; `pids`: which set of
    numbers it is from, as containers have their own, but machines share theirs; `boot`: which start
    of which machine it runs in, as hosts share names. Empty where they cannot be known.
    """

    pid: int
    started: str
    host: str
    pids: str
    boot: str

    @classmethod
    def this(cls) -> Self:
        """Return the process that asks."""
        pid = os.getpid()
        started = _status(pid)[1]
        host, pids, boot = _place()
        return cls(pid=pid, started=started, host=host, pids=pids, boot=boot)

    @classmethod
    def of_record(cls, content: bytes) -> Self | None:
        """Return the process of a JSON `record`; None if there is no such record."""
        try:
            found = cls(**json.loads(content))
        except (ValueError, TypeError, RecursionError):
            return None
        texts = (found.started, found.host, found.pids, found.boot)
        fits = type(found.pid) is int and all(type(text) is str for text in texts)
        return found if fits and 0 < found.pid < 2**31 else None

    def record(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def has_ended(self) -> bool:
        """Whether it is known to be gone; never of a process on another machine."""
        if (self.host, self.pids, self.boot) != _place():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # another user's
        state, started = _status(self.pid)
        known = started and self.started
        return state in ("Z", "X") or bool(known and started != self.started)


def _status(pid: int) -> tuple[str, str]:
    """Return the state and the start of a process; empty where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[_STATE], fields[_STARTED]


def _place() -> tuple[str, str, str]:
    """Return host, set of numbers and boot of this process."""
    return socket.gethostname(), _pids(), _boot()


@cache
def _pids() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
