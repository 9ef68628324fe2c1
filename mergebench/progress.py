"""How a training run is shown: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as RichBar


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """One finished step (from 1): its losses in nats, the rate so far and the time left."""

    step: int
    steps: int
    loss: float
    off_nominal_loss: float | None
    images_per_second: float
    seconds_left: float

    @property
    def losses(self) -> str:
        """Both losses as text."""
        off = "" if self.off_nominal_loss is None else f", off-nominal {self.off_nominal_loss:.2f}"
        return f"loss {self.loss:.3f}{off}"

    def __str__(self) -> str:
        """Return the line that both displays show."""
        rate = f"{self.images_per_second:.0f} images/s, {self.seconds_left:.0f} s left"
        return f"{self.losses}, {rate}"


@dataclass(frozen=True, kw_only=True)
class Validated:
    """Validation accuracies (fractions) after `step`, by scale; scale 1 is nominal."""

    step: int
    accuracies: Mapping[float, float]

    def __str__(self) -> str:
        """Return the accuracies in percent, the nominal one first."""
        return "  ".join(f"s={s:g} {100 * a:.1f}" for s, a in self.accuracies.items())


class Progress(Protocol):
    """Receives what happens during one training run after another."""

    def start(self, label: str, steps: int) -> None:
        """Begin a run of that many steps."""

    def step(self, event: StepDone) -> None:
        """Take note of a finished step."""

    def validated(self, event: Validated) -> None:
        """Take note of an evaluation on validation images."""

    def stop(self) -> None:
        """End the run, finished or not."""


class Silent:
    """Shows nothing."""

    def start(self, label: str, steps: int) -> None:
        """Ignore the start."""

    def step(self, event: StepDone) -> None:
        """Ignore the step."""

    def validated(self, event: Validated) -> None:
        """Ignore the evaluation."""

    def stop(self) -> None:
        """Ignore the end."""


class PlainLines:
    """Prints one line per evaluation."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._label = ""
        self._last: StepDone | None = None

    def start(self, label: str, steps: int) -> None:
        """Remember whose lines follow."""
        self._label, self._last = label, None

    def step(self, event: StepDone) -> None:
        """Keep the step for the next line."""
        self._last = event

    def validated(self, event: Validated) -> None:
        """Print the last step and the accuracies."""
        steps = self._last.steps if self._last else event.step
        line = f"{self._label} {event.step}/{steps}: {self._last or ''} | {event}"
        print(line, file=self._stream or sys.stdout, flush=True)

    def stop(self) -> None:
        """Forget the run."""
        self._last = None


class LiveBar:
    """Shows a bar with losses, accuracies, speed and time left on a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._bar: RichBar | None = None
        self._task = TaskID(0)

    def start(self, label: str, steps: int) -> None:
        """Open the bar."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TextColumn("[dim]{task.fields[accuracies]}"),
        )
        self._bar = RichBar(*columns, console=self._console)
        self._task = self._bar.add_task(label, total=steps, state="", accuracies="")
        self._bar.start()

    def step(self, event: StepDone) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=event.step, state=str(event))

    def validated(self, event: Validated) -> None:
        """Show the accuracies."""
        if self._bar is not None:
            self._bar.update(self._task, accuracies=str(event))

    def stop(self) -> None:
        """Close the bar and leave its last state on the screen."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = None


def default_progress() -> Progress:
    """Return a live bar on a terminal and plain lines elsewhere."""
    console = Console()
    return LiveBar(console) if console.is_terminal else PlainLines()
