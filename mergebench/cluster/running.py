"""Jobs of Slurm that were submitted: their progress, their results, and which of them were lost."""

from __future__ import annotations

import pickle
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mergebench.cluster import queue
from mergebench.cluster.events import EventReader
from mergebench.cluster.submission import Request, submitted
from mergebench.cluster.task import Outcome, Task
from mergebench.errors import InputError, JobError
from mergebench.experiment import Finished, Job, JobLost, JobsQueued
from mergebench.files import check_writable
from mergebench.plurals import how_many
from mergebench.registry import registry
from mergebench.terminal import say

if TYPE_CHECKING:
    import submitit

ResultT = TypeVar("ResultT")

POLL_S = 1.0
ASK_S = 5.0
"""How often Slurm is asked where the jobs are."""

LAG_S = 15.0
"""How much later than the end of a job its files may be seen here."""

_NAMED = 5


@dataclass(kw_only=True, eq=False)
class _Batch:
    """One job of Slurm. `pieces`: their places in the list; `at`: the one events last came from."""

    pieces: Sequence[int]
    label: str
    job: submitit.Job[Outcome]
    events: EventReader
    at: int
    ended: float | None = None

    @property
    def log(self) -> Path:
        return self.job.paths.stdout


class Running(Generic[ResultT]):
    """The jobs of one call, with their files in `folder`."""

    def __init__(self, folder: Path, on_event: Callable[[int, Any], None]) -> None:
        self._folder = folder
        self._on_event = on_event
        self._left: list[_Batch] = []
        self._lost: list[str] = []
        self._places: dict[str, queue.Place] | None = None
        self._asked = 0.0

    def submit(
        self, pieces: Sequence[Job[ResultT]], groups: Sequence[Sequence[int]], request: Request
    ) -> None:
        """Submit a job per group of places in `pieces`."""
        check_writable(self._folder)
        tasks = [
            Task(
                pieces=pickle.dumps([pieces[place] for place in group]),
                plugins=registry().files,
                events=self._folder / f"events-{number}",
            )
            for number, group in enumerate(groups)
        ]
        jobs = submitted(tasks, self._folder, request)
        for group, task, job in zip(groups, tasks, jobs, strict=True):
            more = f" and {len(group) - 1} more" if len(group) > 1 else ""
            batch = _Batch(
                pieces=group,
                label=f"{pieces[group[0]].label}{more}",
                job=job,
                events=EventReader(task.events),
                at=group[0],
            )
            self._left.append(batch)

    def finished(self) -> Iterator[Finished[ResultT]]:
        """Yield results until no job is left; `JobError` then if some were lost."""
        while self._left:
            self._ask()
            names = {file.name for file in self._folder.iterdir()}
            for batch in [*self._left]:
                there = batch.job.paths.result_pickle.name in names
                for number, event in batch.events.new() if batch.events.file.name in names else ():
                    batch.at = batch.pieces[number]
                    self._on_event(batch.at, event)
                if there:
                    yield from self._results(batch)
                elif self._is_over(batch):
                    self._lose(batch, self._place(batch).state)
            if self._left:
                time.sleep(POLL_S)
        if self._lost:
            named = "; ".join(self._lost[:_NAMED])
            more = f"; and {len(self._lost) - _NAMED} more" if self._lost[_NAMED:] else ""
            check_writable(self._folder)  # a full disk is why jobs cannot say what is wrong
            raise JobError(f"{named}{more}; the same command goes on")

    def end(self, *, leave: bool) -> None:
        """Cancel the jobs that are left, or leave them; say which."""
        ids = sorted({batch.job.job_id.partition("_")[0] for batch in self._left}, key=int)
        if not ids:
            return
        jobs = f"{how_many(len(self._left), 'job')} of Slurm"
        if leave:
            say(f"left {jobs}; the same command goes on; to cancel: scancel {' '.join(ids)}")
            return
        try:
            queue.cancel(ids)
            say(f"cancelled {jobs}: {' '.join(ids)}")
        except InputError as error:
            say(f"could not cancel {jobs} ({error}): scancel {' '.join(ids)}")

    def clear(self) -> None:
        """Delete the files and logs of jobs that all did their work."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _results(self, batch: _Batch) -> Iterator[Finished[ResultT]]:
        from submitit.core.utils import UncompletedJobError

        try:
            outcome = batch.job.result()
        except (UncompletedJobError, OSError, EOFError):
            self._lose(batch, "failed before it began")
            return
        for place, result in zip(batch.pieces, outcome.results, strict=False):
            yield Finished(index=place, result=result)
        if outcome.ending and outcome.kind is None:
            self._lose(batch, outcome.ending)
            return
        self._left.remove(batch)
        if outcome.kind is not None:
            raise outcome.kind(outcome.ending)

    def _ask(self) -> None:
        """Ask Slurm where the jobs are, not too often, and show it; silence changes nothing."""
        if time.monotonic() - self._asked < ASK_S:
            return
        self._asked = time.monotonic()
        try:
            self._places = queue.places()
        except InputError as error:
            self._on_event(-1, JobsQueued(text=f"Slurm does not answer: {error}"))
            return
        places = [self._place(batch) for batch in self._left]
        waiting = Counter(place.reason for place in places if place.state == "PENDING")
        running = sum(place.state == "RUNNING" for place in places)
        text = f"Slurm runs {how_many(running, 'job')}"
        if waiting:
            text += f", {waiting.total()} waiting ({waiting.most_common(1)[0][0]})"
        self._on_event(-1, JobsQueued(text=text))

    def _place(self, batch: _Batch) -> queue.Place:
        return (self._places or {}).get(batch.job.job_id, queue.GONE)

    def _is_over(self, batch: _Batch) -> bool:
        """Whether a job without a result has ended for so long that there will be none."""
        if self._places is None or not self._place(batch).ended:
            batch.ended = None
            return False
        batch.ended = batch.ended or time.monotonic()
        return time.monotonic() - batch.ended > LAG_S

    def _lose(self, batch: _Batch, how: str) -> None:
        self._left.remove(batch)
        self._lost.append(
            f"job {batch.job.job_id} of Slurm ({batch.label}): {how}; log {batch.log}"
        )
        self._on_event(batch.at, JobLost(text=self._lost[-1]))
