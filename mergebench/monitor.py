"""How an experiment is shown while it runs: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichBar

from mergebench.executors import Report
from mergebench.progress import StepDone, Validated

_STEP_S = 1.0


@dataclass(frozen=True, kw_only=True)
class CellDone:
    """A piece of a stage is measured, or was recalled from the store."""

    label: str


@dataclass(frozen=True, kw_only=True)
class Training:
    """How far a training run is."""

    label: str
    state: str
    milestone: bool


class ReportingProgress:
    """Sends what happens in a training run to the process that shows it."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._label = ""
        self._last: StepDone | None = None
        self._sent = 0.0

    def start(self, label: str, steps: int) -> None:
        """Remember whose events follow."""
        self._label = label

    def step(self, event: StepDone) -> None:
        """Send at most about one step a second."""
        self._last = event
        if time.monotonic() - self._sent > _STEP_S:
            self._sent = time.monotonic()
            state = f"{event.step}/{event.steps} {event}"
            self._report(Training(label=self._label, state=state, milestone=False))

    def validated(self, event: Validated) -> None:
        """Send every evaluation."""
        steps = f"/{self._last.steps} {self._last}" if self._last else ""
        state = f"{event.step}{steps} | {event}"
        self._report(Training(label=self._label, state=state, milestone=True))

    def stop(self) -> None:
        """Send nothing."""


class Monitor:
    """Shows the stages of an experiment on a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: RichBar | None = None
        self._rows: dict[int, Any] = {}
        self._done, self._total, self._what = 0, 0, ""

    @contextmanager
    def stage(self, what: str, cells: int) -> Iterator[None]:
        """Show `cells` pieces of work until the context is left."""
        self._done, self._total, self._what, self._rows = 0, cells, what, {}
        if not self._console.is_terminal:
            yield
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[state]}", style="dim"),
        )
        with RichBar(*columns, console=self._console, transient=True) as self._bar:
            self._rows[-1] = self._bar.add_task(what, total=cells, state="")
            yield
        self._bar = None

    def event(self, index: int, event: Any) -> None:
        """Show an event of job number `index`."""
        if isinstance(event, CellDone):
            self._done += 1
            self._line(f"{self._what} {self._done}/{self._total}: {event.label}")
        elif isinstance(event, Training) and event.milestone:
            self._line(f"{event.label}: {event.state}")
        if self._bar is not None:
            state = event.label if isinstance(event, CellDone) else f"{event.label} {event.state}"
            self._bar.update(self._rows[-1], completed=self._done, state=state)

    def _line(self, text: str) -> None:
        if self._bar is None:
            self._console.print(text, highlight=False, soft_wrap=True)
