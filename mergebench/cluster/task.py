"""What one job of the cluster does."""

from __future__ import annotations

import pickle
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from mergebench.cluster.events import EventWriter
from mergebench.errors import InputError, JobError, PluginError, reason
from mergebench.experiment import execute
from mergebench.registry import registry

WARNING_S = 30
"""How long before its time limit a job is told to end."""

_ENDED: Mapping[int, str] = {
    signal.SIGTERM: "was cancelled or preempted",
    signal.SIGUSR2: "came to its time limit",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended: the results of its first pieces, and in words why there are no more.

    `ending` is empty if these are all; `kind`: the error to raise, for one that any other job and
    the next run would meet as well.
    """

    results: tuple[Any, ...]
    ending: str = ""
    kind: type[InputError] | type[PluginError] | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """Some pieces of work, one after the other in one process.

    `pieces`: a pickled list of `Job`, unpickled once the files `plugins` are in the registry.
    `events`: the file that events go to.
    """

    pieces: bytes
    plugins: tuple[Path, ...]
    events: Path

    def run(self) -> Outcome:
        """Do the pieces of work; what is done is kept when an error or a signal comes."""
        results: list[Any] = []
        try:
            with _ended_by_signals():
                for plugin in self.plugins:
                    registry().add_file(plugin)
                pieces = pickle.loads(self.pieces)
                for done in execute(pieces, on_event=EventWriter(self.events)):
                    results.append(done.result)
        except (InputError, PluginError) as error:
            kind = InputError if isinstance(error, InputError) else PluginError
            return Outcome(results=(*results,), ending=_told(error), kind=kind)
        except (JobError, _EndedBySignal) as error:
            return Outcome(results=(*results,), ending=_told(error))
        return Outcome(results=(*results,))


class _EndedBySignal(BaseException):
    """The cluster asks the job to end: what unwinds lets go of its claims."""


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Raise `_EndedBySignal` in the context on the first signal that Slurm ends jobs with."""

    def end(number: int, frame: FrameType | None) -> None:
        for known in _ENDED:
            signal.signal(known, signal.SIG_IGN)
        raise _EndedBySignal(_ENDED[number])

    before = {number: signal.signal(number, end) for number in _ENDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _told(error: BaseException) -> str:
    """Return the error in one line, which goes to the log as well, with the traceback of errors."""
    if isinstance(error, _EndedBySignal):
        print(f"mergebench: the job {error}", file=sys.stderr, flush=True)
        return str(error)
    traceback.print_exception(error, file=sys.stderr)
    return reason(error)
