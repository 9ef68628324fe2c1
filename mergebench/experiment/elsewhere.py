"""Jobs that run on other machines: who runs them, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mergebench.experiment.executors import Finished, Job, ResultT


class Executor(Protocol):
    """Has jobs done elsewhere, with the promises of `execute`."""

    def __call__(
        self, jobs: Sequence[Job[ResultT]], *, on_event: Callable[[int, Any], None]
    ) -> Iterator[Finished[ResultT]]:
        """Run the jobs and yield each result as soon as it is there."""


@dataclass(frozen=True, kw_only=True)
class JobsQueued:
    """Where the jobs of a cluster are, in a few words."""

    text: str


@dataclass(frozen=True, kw_only=True)
class JobLost:
    """A job of a cluster ended before its work did; `text` says which, how and where its log is."""

    text: str
