"""An embedded table 2 from scratch: as a user has it made, until the time is over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from mergebench.experiment import Experiment, Monitor, measure_merges
from mergebench.gpu_check.budget import Deadline
from mergebench.gpu_check.record import TableRun
from mergebench.gpu_check.sizes import TableSize
from mergebench.suites import SuiteOptions


@dataclass(frozen=True, kw_only=True)
class TableInputs:
    """Which backbone, where it computes, and where its weights and data lie if not here."""

    backbone: str
    device: str
    weights: str | None = None
    data: SuiteOptions | None = None


class _OutOfTime(BaseException):
    """Ends a run whose time is over; no fault of the job at which that shows."""


@dataclass(kw_only=True)
class _Stage:
    what: str
    wanted: int
    began: float = field(default_factory=time.monotonic)
    done: int = 0
    seconds: float = 0.0


class _Counting(Monitor):
    """Counts what the stages of an experiment have done, and ends it when its time is over."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__(Console(quiet=True))
        self._deadline = deadline
        self.stages: list[_Stage] = []

    @contextmanager
    def stage(self, what: str, cells: int) -> Iterator[None]:
        """Count so many pieces of work until the context is left."""
        self.stages.append(_Stage(what=what, wanted=cells))
        try:
            with super().stage(what, cells):
                yield
        finally:
            own = self.stages[-1]
            own.seconds = time.monotonic() - own.began

    def event(self, index: int, event: Any) -> None:
        """Take note of what happened; raise when the time is over."""
        super().event(index, event)
        self.stages[-1].done = self.done
        if self._deadline.passed:
            raise _OutOfTime


def table_runs(inputs: TableInputs, size: TableSize, deadline: Deadline) -> list[TableRun]:
    """Make table 2 of a backbone in an empty store and return what each stage took.

    Where the time is over before its end, what was done until then.
    """
    counting = _Counting(deadline)
    with TemporaryDirectory(prefix="mergebench-gpu-check-") as folder:
        experiment = Experiment(
            backbone=inputs.backbone,
            setting=size.setting,
            protocol=size.protocol,
            seeds=(0,),
            store=Path(folder),
            command="",
            tasks=size.tasks,
            attacks=size.attacks,
            weights=inputs.weights,
            device=inputs.device,
            data=inputs.data,
        )
        experiment.workbench()  # before the first stage is timed
        with suppress(_OutOfTime):
            measure_merges(experiment, counting, processes=size.processes)
    return [
        TableRun(
            backbone=inputs.backbone,
            stage=one.what,
            done=one.done,
            wanted=one.wanted,
            processes=size.processes,
            seconds=one.seconds,
        )
        for one in counting.stages
    ]
