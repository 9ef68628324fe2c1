"""A Slurm in this process: jobs are done, or lost, when somebody asks where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from submitit.slurm.slurm import SlurmJob

from mergebench.cluster import queue, running
from mergebench.cluster.queue import Place
from mergebench.cluster.task import Task


class FakeSlurm:
    """Takes jobs `1_0`, `1_1`, ... and does one at each question, as submitit would on a node.

    `lost`: states of jobs, by their number, that end in them without a result. `cancelled`: what
    was cancelled. `before`: called before each job with its number.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.lost: dict[int, str] = {}
        self.cancelled: list[str] = []
        self.before: Callable[[int], None] = lambda number: None
        self.places: dict[str, Place] = {}
        self.requests: list[Any] = []
        self._waiting: list[tuple[SlurmJob[Any], Task]] = []
        self._arrays = 0
        patch.setattr(running, "submitted", self._submitted)
        patch.setattr(queue, "places", self._answer)
        patch.setattr(queue, "cancel", lambda ids: self.cancelled.extend(ids))
        for constant in ("POLL_S", "ASK_S", "LAG_S"):
            patch.setattr(running, constant, 0.0)

    def _submitted(
        self, tasks: Sequence[Task], folder: Path, request: Any
    ) -> Iterator[SlurmJob[Any]]:
        self._arrays += 1
        self.requests.append(request)
        for number, task in enumerate(tasks):
            job = SlurmJob[Any](folder=folder, job_id=f"{self._arrays}_{number}", tasks=[0])
            self._waiting.append((job, task))
            self.places[job.job_id] = Place(state="PENDING", reason="Resources")
            yield job

    def _answer(self) -> dict[str, Place]:
        if self._waiting:
            job, task = self._waiting.pop(0)
            number = int(job.job_id.partition("_")[2])
            self.before(number)
            if number in self.lost:
                job.paths.stdout.write_text("killed")
            else:
                job.paths.result_pickle.write_bytes(cloudpickle.dumps(("success", task.run())))
            self.places[job.job_id] = Place(state=self.lost.get(number, "COMPLETED"))
        return {**self.places}
