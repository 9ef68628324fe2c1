"""The executor that has the pieces of work done by jobs of Slurm."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mergebench.cluster.running import Running
from mergebench.cluster.submission import Request
from mergebench.experiment import Finished, Job

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """Runs pieces of work as arrays of jobs of Slurm.

    `request`: what every job asks for. `cells`: a job takes pieces until these are so many cells.
    `folder`: on the file system that the nodes share, where each array gets a folder of files and
    logs; it is deleted unless some job ended early. `leave`: an interrupt leaves the jobs in the
    queue, where it cancels them otherwise.
    """

    request: Request
    folder: Path
    cells: int = 1
    leave: bool = False

    def __call__(
        self, jobs: Sequence[Job[ResultT]], *, on_event: Callable[[int, Any], None]
    ) -> Iterator[Finished[ResultT]]:
        """Submit the jobs and yield results as they come, as `experiment.Executor` says.

        A job that ends early is told with its log, and the others go on; `JobError` names those
        when all have ended. Raises `InputError` if Slurm refuses the jobs.
        """
        if not jobs:
            return
        folder = (
            self.folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        ).resolve()
        running: Running[ResultT] = Running(folder, on_event)
        try:
            running.submit(jobs, grouped([job.cells for job in jobs], self.cells), self.request)
            yield from running.finished()
        except (KeyboardInterrupt, GeneratorExit):
            running.end(leave=self.leave)
            raise
        except BaseException:
            running.end(leave=False)
            raise
        running.clear()


def grouped(sizes: Sequence[int], least: int) -> list[list[int]]:
    """Return places in `sizes`, in order, in groups that add up to `least`, but for the last.

    >>> grouped([1, 1, 5, 1], 2)
    [[0, 1], [2], [3]]
    """
    groups: list[list[int]] = []
    total = least
    for place, size in enumerate(sizes):
        if total >= least:
            groups.append([])
            total = 0
        groups[-1].append(place)
        total += size
    return groups
