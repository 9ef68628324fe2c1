"""How an experiment is shown while it runs: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as RichBar

from mergebench.executors import Report
from mergebench.progress import StepDone, Validated

_STEP_S = 1.0
_LINE_S = 10.0


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
class Training:
    """How far the training run of a job is; `validated` after an evaluation."""

    step: int
    steps: int
    state: str
    validated: bool


class ReportingProgress:
    """Sends what happens in a training run to the process that shows it."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last: StepDone | None = None
        self._sent = 0.0

    def start(self, label: str, steps: int) -> None:
        """Forget the run before; the job's own label says whose events follow."""
        self._last = None

    def step(self, event: StepDone) -> None:
        """Send at most about one step a second."""
        self._last = event
        if time.monotonic() - self._sent > _STEP_S:
            self._sent = time.monotonic()
            self._report(
                Training(step=event.step, steps=event.steps, state=str(event), validated=False)
            )

    def validated(self, event: Validated) -> None:
        """Send every evaluation, with the losses of its step."""
        steps, losses = (self._last.steps, f"{self._last} | ") if self._last else (event.step, "")
        self._report(
            Training(step=event.step, steps=steps, state=f"{losses}{event}", validated=True)
        )

    def stop(self) -> None:
        """Send nothing."""


@dataclass(kw_only=True)
class _Running:
    """What one job is at: `fraction` of it is done, and `row` shows it on a terminal."""

    label: str
    row: TaskID | None = None
    fraction: float = 0.0


@dataclass(kw_only=True)
class _Stage:
    """How many cells there are, are measured, were recalled from the store, and are running."""

    what: str
    cells: int
    began: float = field(default_factory=time.monotonic)
    measured: int = 0
    recalled: int = 0
    running: dict[int, _Running] = field(default_factory=dict)

    @property
    def done(self) -> int:
        return self.measured + self.recalled

    def seconds_left(self) -> float | None:
        """Estimate from the cells that had to be measured; None before there is a base for it."""
        work = self.measured + sum(running.fraction for running in self.running.values())
        if work == 0:
            return None
        left = self.cells - self.recalled - work
        return (time.monotonic() - self.began) / work * left

    def summary(self) -> str:
        seconds = time.monotonic() - self.began
        return (
            f"{self.what}: {self.measured} measured, {self.recalled} recalled "
            f"in {duration(seconds)}"
        )


class Monitor:
    """Shows the stages of an experiment on a console.

    On a terminal there is a bar for the stage, with the time left, and a row for each cell that is
    running. Elsewhere there is a line per measured cell and, at most every ten seconds, one on a
    training run. Either way a stage ends with a line that counts what was measured and recalled.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage = _Stage(what="", cells=0)
        self._bars: RichBar | None = None
        self._total = TaskID(0)
        self._last_line = 0.0

    @contextmanager
    def stage(self, what: str, cells: int) -> Iterator[None]:
        """Show `cells` pieces of work until the context is left."""
        self._stage = _Stage(what=what, cells=cells)
        if self._console.is_terminal:
            with _new_bars(self._console) as self._bars:
                self._total = self._bars.add_task(what, total=cells, count="", time="", state="")
                try:
                    yield
                finally:
                    self._bars = None
        else:
            yield
        self._print(self._stage.summary())

    def event(self, index: int, event: Any) -> None:
        """Show an event of job number `index`."""
        if isinstance(event, CellStarted):
            self._started(index, event.label)
        elif isinstance(event, CellDone):
            self._done(index, event)
        elif isinstance(event, Training):
            self._trained(index, event)
        self._update_total()

    def _started(self, index: int, label: str) -> None:
        running = _Running(label=label)
        if self._bars is not None:
            running.row = self._bars.add_task(f"  {label}", total=None, count="", time="", state="")
        self._stage.running[index] = running

    def _done(self, index: int, event: CellDone) -> None:
        running = self._stage.running.pop(index, None)
        if self._bars is not None and running is not None and running.row is not None:
            self._bars.remove_task(running.row)
        if event.recalled:
            self._stage.recalled += 1
            return
        self._stage.measured += 1
        if self._bars is None:
            outcome = f": {event.outcome}" if event.outcome else ""
            self._print(f"{self._count()}, {self._time_left()}: {event.label}{outcome}")

    def _trained(self, index: int, event: Training) -> None:
        running = self._stage.running[index]
        running.fraction = event.step / event.steps
        count = f"{event.step}/{event.steps}"
        if self._bars is not None and running.row is not None:
            self._bars.update(
                running.row, completed=event.step, total=event.steps, count=count, state=event.state
            )
        elif event.validated and time.monotonic() - self._last_line > _LINE_S:
            self._print(f"{running.label}: step {count}: {event.state}")

    def _update_total(self) -> None:
        if self._bars is not None:
            self._bars.update(
                self._total,
                completed=self._stage.done,
                count=f"{self._stage.done}/{self._stage.cells}",
                time=self._time_left(),
            )

    def _count(self) -> str:
        return f"{self._stage.what} {self._stage.done}/{self._stage.cells}"

    def _time_left(self) -> str:
        seconds = self._stage.seconds_left()
        return "" if seconds is None else f"{duration(seconds)} left"

    def _print(self, text: str) -> None:
        self._last_line = time.monotonic()
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)


def duration(seconds: float) -> str:
    """Return a length of time as people say it: `8 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def _new_bars(console: Console) -> RichBar:
    columns: Sequence[TextColumn | BarColumn] = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[count]}"),
        TextColumn("{task.fields[time]}"),
        TextColumn("{task.fields[state]}", style="dim", markup=False),
    )
    return RichBar(*columns, console=console, transient=True, refresh_per_second=4)
