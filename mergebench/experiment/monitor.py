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
from rich.table import Column

from mergebench.experiment.elsewhere import JobLost, JobsQueued
from mergebench.experiment.events import CellDone, CellPutOff, CellStarted, Making, Training

_LINE_S = 10.0
_LONG_S = 60.0


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

    def count(self) -> str:
        return f"{self.what} {self.done}/{self.cells}"

    def time_left(self) -> str:
        """Estimate from what had to be measured so far; empty when there is no base for it."""
        work = self.measured + sum(running.fraction for running in self.running.values())
        if work == 0 or self.done == self.cells:
            return ""
        left = (time.monotonic() - self.began) / work * (self.cells - self.recalled - work)
        return f"{duration(left)} left"

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
    training run; a minute without any brings one on a merge that learns. Either way a stage ends
    with a line that counts what was measured and recalled.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage = _Stage(what="", cells=0)
        self._bars: RichBar | None = None
        self._total = TaskID(0)
        self._last_line = 0.0
        self._waiting = ""
        self._where = ""

    @contextmanager
    def stage(self, what: str, cells: int) -> Iterator[None]:
        """Show `cells` pieces of work until the context is left."""
        self._stage = _Stage(what=what, cells=cells)
        if self._console.is_terminal:
            with _new_bars(self._console) as self._bars:
                self._total = self._add_row(what, cells)
                self._update_total()
                try:
                    yield
                finally:
                    self._bars = None
        else:
            yield
        self._print(self._stage.summary())

    @property
    def done(self) -> int:
        """How many pieces of the last stage are measured or recalled."""
        return self._stage.done

    def event(self, index: int, event: Any) -> None:
        """Show an event of job number `index`."""
        if isinstance(event, CellStarted):
            self._started(index, event.label)
        elif isinstance(event, CellDone):
            self._done(index, event)
        elif isinstance(event, CellPutOff):
            self._ended(index)
        elif isinstance(event, JobLost):
            if index in self._stage.running:
                self._ended(index)
            self._print(event.text)
        elif isinstance(event, JobsQueued):
            self._queued(event.text)
        elif isinstance(event, Training):
            self._trained(index, event)
        elif isinstance(event, Making):
            self._made(index, event.share)
        self._update_total()

    def waiting(self, jobs: int, holders: Sequence[str]) -> None:
        """Say which processes the last jobs are waited for; once until that changes."""
        what = f"waiting for {jobs} that {' and '.join(holders)} measure"
        line = f"{self._stage.count()}: {what}{'s' if len(holders) == 1 else ''}"
        if line != self._waiting:
            self._waiting = line
            self._print(line)

    def _queued(self, text: str) -> None:
        """Show where jobs are: beside the bar, or in a line if that has changed."""
        if self._bars is not None:
            self._bars.update(self._total, state=text)
        elif text != self._where and time.monotonic() - self._last_line > _LINE_S:
            self._where = text
            self._print(f"{self._stage.count()}: {text}")

    def _started(self, index: int, label: str) -> None:
        row = None if self._bars is None else self._add_row(f"  {label}", None)
        self._stage.running[index] = _Running(label=label, row=row)

    def _ended(self, index: int) -> None:
        running = self._stage.running.pop(index)
        if self._bars is not None and running.row is not None:
            self._bars.remove_task(running.row)

    def _done(self, index: int, event: CellDone) -> None:
        self._ended(index)
        if event.recalled:
            self._stage.recalled += 1
            return
        self._stage.measured += 1
        if self._bars is None:
            parts = (self._stage.count(), self._stage.time_left())
            outcome = f": {event.outcome}" if event.outcome else ""
            self._print(f"{', '.join(filter(None, parts))}: {event.label}{outcome}")

    def _trained(self, index: int, event: Training) -> None:
        running, step = self._stage.running[index], event.step
        running.fraction = step.step / step.steps
        count = f"{step.step}/{step.steps}"
        accuracies = f" | {event.accuracies}" if event.accuracies else ""
        if self._bars is not None and running.row is not None:
            self._bars.update(
                running.row,
                completed=step.step,
                total=step.steps,
                count=count,
                time=f"{duration(step.seconds_left)} left",
                state=f"{step.losses}{accuracies} | {step.rate(event.inputs)}",
            )
        elif event.new_accuracies and time.monotonic() - self._last_line > _LINE_S:
            self._print(f"{running.label}: step {count}: {step.state(event.inputs)}{accuracies}")

    def _made(self, index: int, share: float) -> None:
        """Show how far a merge is, of which a cell may take several, one for each candidate."""
        running, count = self._stage.running[index], f"{100 * share:.0f} %"
        if self._bars is not None and running.row is not None:
            self._bars.update(
                running.row, completed=share, total=1.0, count=count, time="", state="of a merge"
            )
        elif time.monotonic() - max(self._last_line, self._stage.began) > _LONG_S:
            self._print(f"{self._stage.count()}: {running.label}: {count} of a merge")

    def _update_total(self) -> None:
        if self._bars is not None:
            stage = self._stage
            count = f"{stage.done}/{stage.cells}"
            self._bars.update(
                self._total, completed=stage.done, count=count, time=stage.time_left()
            )

    def _add_row(self, label: str, total: int | None) -> TaskID:
        assert self._bars is not None
        return self._bars.add_task(label, total=total, count="", time="", state="")

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
    """Return bars whose last column gives way when the terminal is narrow."""
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns: Sequence[TextColumn | BarColumn] = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=12),
        TextColumn("{task.fields[count]}"),
        TextColumn("{task.fields[time]}"),
        TextColumn("{task.fields[state]}", style="dim", markup=False, table_column=rest),
    )
    return RichBar(*columns, console=console, transient=True, refresh_per_second=4, expand=True)
