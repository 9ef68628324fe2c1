"""What a job reports while it runs, and how what it trains and merges comes to report it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mergebench.experiment.executors import Report
from mergebench.progress import StepDone, Validated

_STEP_S = 1.0


@dataclass(frozen=True, kw_only=True)
class CellStarted:
    """A job begins to measure something, or to recall it from the store."""

    label: str


@dataclass(frozen=True, kw_only=True)
class CellDone:
    """What a job began is measured, or was `recalled`; `outcome` is a few words about it."""

    label: str
    recalled: bool
    outcome: str = ""


@dataclass(frozen=True, kw_only=True)
class CellPutOff:
    """What a job began is measured by another run; the job ends without it."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How far the training run of a job is: its last step and its last evaluation.

    `new_accuracies`: whether the evaluation is what happened now. `inputs`: what the task has, as
    of `Suite.inputs`.
    """

    step: StepDone
    accuracies: Validated | None
    new_accuracies: bool
    inputs: str


@dataclass(frozen=True, kw_only=True)
class Making:
    """Which `share` of a merge, from 0 to 1, a job that learns it from inputs has made."""

    share: float


class ReportingProgress:
    """Sends what happens in a training run or a merge to the process that shows it.

    `inputs`: what the task has, as of `Suite.inputs`.
    """

    def __init__(self, report: Report, inputs: str) -> None:
        self._report = report
        self._inputs = inputs
        self._step: StepDone | None = None
        self._accuracies: Validated | None = None
        self._sent = 0.0

    def start(self, label: str, steps: int) -> None:
        """Forget the run before; the job's own label says whose events follow."""
        self._step = self._accuracies = None

    def step(self, event: StepDone) -> None:
        """Send at most about one step a second."""
        self._step = event
        if time.monotonic() - self._sent > _STEP_S:
            self._send(new_accuracies=False)

    def validated(self, event: Validated) -> None:
        """Send every evaluation, with the losses of its step."""
        self._accuracies = event
        self._send(new_accuracies=True)

    def stop(self) -> None:
        """Send nothing."""

    def reached(self, share: float) -> None:
        """Send at most about one share a second."""
        if time.monotonic() - self._sent > _STEP_S:
            self._sent = time.monotonic()
            self._report(Making(share=share))

    def _send(self, *, new_accuracies: bool) -> None:
        if self._step is not None:
            self._sent = time.monotonic()
            self._report(
                Training(
                    step=self._step,
                    accuracies=self._accuracies,
                    new_accuracies=new_accuracies,
                    inputs=self._inputs,
                )
            )
