"""One stage of an experiment: jobs that are recalled, run, or waited for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mergebench.experiment.elsewhere import Executor
from mergebench.experiment.events import CellDone, CellPutOff, CellStarted
from mergebench.experiment.executors import Report, execute
from mergebench.experiment.held_job import HeldJob
from mergebench.experiment.jobs import MergeJob, ReleaseJob, ZeroShotJob
from mergebench.experiment.making import NotMeasuredError
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.point_job import PointJob
from mergebench.experiment.validation_job import ValidationJob
from mergebench.files import ClaimedError

Job = ReleaseJob | ZeroShotJob | MergeJob | PointJob | HeldJob | ValidationJob

POLL_S = 1.0
_JOBS_EACH = 2
"""Jobs per process below which jobs are halved, so that no process is idle for long."""


def run_jobs(jobs: Sequence[Job], monitor: Monitor, what: str, *, processes: int) -> None:
    """Measure what the jobs measure, shown as the stage `what`; what is stored takes no process.

    A job is put off while another run measures the same: the others come first, and when only such
    are left, this waits for them, or runs them if the other run ends without a result. The executor
    of the jobs' experiment runs them where it has one, in place of `processes` of this machine.
    """
    if not jobs:
        return
    elsewhere = jobs[0].experiment.executor
    run: Executor = elsewhere or partial(execute, processes=processes)
    with monitor.stage(what, sum(map(_cells, jobs))):
        show = _EachOnce(monitor)
        ready: list[Job] = [*jobs]
        held: list[_Held] = []
        while ready:
            missing = [job for job in ready if not _recalled(job, show)]
            if elsewhere is None:
                missing = _shared_out(missing, processes)
            attempts = [_Attempt(job=job) for job in missing]
            for done in run(attempts, on_event=show):
                if done.result is not None:
                    held.append(done.result)
            ready = _freed(held, monitor)
            held = [one for one in held if one.job not in ready]


@dataclass(frozen=True, kw_only=True)
class _Held:
    """A job that has to wait for the process `holder`, which claims what it measures."""

    job: Job
    claim: str
    holder: str


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """A job that ends at once where another process is at what it measures."""

    job: Job

    @property
    def label(self) -> str:
        return self.job.label

    @property
    def cells(self) -> int:
        return _cells(self.job)

    def run(self, report: Report) -> _Held | None:
        try:
            self.job.run(report)
        except ClaimedError as error:
            report(CellPutOff())
            return _Held(job=self.job, claim=error.name, holder=error.holder)
        return None


def _cells(job: Job) -> int:
    if isinstance(job, MergeJob):
        return len(job.attacks)
    return len(job.merges) if isinstance(job, HeldJob) else 1


def _shared_out(jobs: Sequence[Job], processes: int) -> list[Job]:
    """Halve the merges of one set of updates, the most first, where there are few jobs for all.

    What the attacks of a space share is made once for each part then; one process has no use for
    that.
    """
    shared = [*jobs]
    while processes > 1 and shared and len(shared) < _JOBS_EACH * processes:
        most = max(range(len(shared)), key=lambda index: _cells(shared[index]))
        job = shared[most]
        if not isinstance(job, MergeJob) or len(job.attacks) < 2:
            break
        # Every other one: attacks that cost alike stand beside each other.
        halves = (job.attacks[::2], job.attacks[1::2])
        shared[most : most + 1] = [replace(job, attacks=attacks) for attacks in halves]
    return shared


class _EachOnce:
    """Shows every cell once, although a job that was put off comes to its first ones again."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._done: set[str] = set()

    def __call__(self, index: int, event: Any) -> None:
        if isinstance(event, CellStarted | CellDone) and event.label in self._done:
            return
        if isinstance(event, CellDone):
            self._done.add(event.label)
        self._monitor.event(index, event)


def _freed(held: Sequence[_Held], monitor: Monitor) -> list[Job]:
    """Wait until some jobs are no longer held by other processes and return them; none of none."""
    while held:
        claims = held[0].job.experiment.workbench().claims
        free = [one.job for one in held if not claims.is_held(one.claim)]
        if free:
            return free
        monitor.waiting(len(held), sorted({one.holder for one in held}))
        time.sleep(POLL_S)
    return []


def _recalled(job: Job, show: _EachOnce) -> bool:
    """Whether all that the job measures is in the store; it is shown as done then."""
    events: list[Any] = []
    try:
        with job.experiment.workbench().recalling_only():
            job.run(events.append)
    except NotMeasuredError:
        return False
    for event in events:
        show(0, event)
    return True
