"""Where jobs are, by `squeue`, which every Slurm answers; its accounting need not be set up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from mergebench.errors import InputError

_ENDED = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
    *("OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
)
_PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """The state of a job, in Slurm's words, and the reason that it gives for it."""

    state: str
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of the job."""
        return self.state in _ENDED


GONE = Place(state="COMPLETED")
"""Where a job is that Slurm no longer knows."""


def places() -> dict[str, Place]:
    """Return where the jobs of this user are, by id: `7`, and `7_0` of an array.

    Ended ones are among them for some minutes. Raises `InputError` if Slurm does not answer.
    """
    words = ["--noheader", "--array", "--states=all", "--format=%i|%T|%r", f"--user={os.getuid()}"]
    lines = [line.split("|") for line in _answer("squeue", *words).splitlines()]
    return {
        line[0].strip(): Place(state=line[1], reason=line[2]) for line in lines if len(line) == 3
    }


def cancel(ids: Sequence[str]) -> None:
    """Cancel jobs; raises `InputError` if Slurm does not answer."""
    _answer("scancel", *ids)


def _answer(*words: str) -> str:
    try:
        return subprocess.run(
            words, check=True, capture_output=True, text=True, timeout=_PATIENCE_S
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", None) or str(error)
        raise InputError(f"{words[0]}: {' '.join(str(told).split())}") from error
