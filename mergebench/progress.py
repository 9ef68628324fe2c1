"""What a training run or a long merge tells while it goes on; `monitor` shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

Reached = Callable[[float], None]
"""Takes how much of a piece of work is done, from 0 to 1."""


def unheard(share: float) -> None:
    """Show nothing of how much is done."""


def part_of(reached: Reached, index: int, parts: int) -> Reached:
    """Return what is told how much is done of part `index`, from 0, of as many equal `parts`."""
    return lambda share: reached((index + share) / parts)


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """One finished step (from 1): its losses in nats, the rate so far and the time left."""

    step: int
    steps: int
    loss: float
    off_nominal_loss: float | None
    inputs_per_second: float
    seconds_left: float

    @property
    def losses(self) -> str:
        """Both losses as text."""
        off = "" if self.off_nominal_loss is None else f", off-nominal {self.off_nominal_loss:.2f}"
        return f"loss {self.loss:.3f}{off}"

    def state(self, inputs: str) -> str:
        """Return the state of the run in one line; `inputs`: what a task has, as of `Suite`."""
        return f"{self.losses}, {self.rate(inputs)}, {self.seconds_left:.0f} s left"

    def rate(self, inputs: str) -> str:
        """Return how many inputs, so called, are trained on in a second."""
        return f"{self.inputs_per_second:.0f} {inputs}/s"


@dataclass(frozen=True, kw_only=True)
class Validated:
    """Validation accuracies (fractions) after `step`, by scale; scale 1 is nominal."""

    step: int
    accuracies: Mapping[float, float]

    def __str__(self) -> str:
        """Return the accuracies in percent, the nominal one first."""
        return "  ".join(f"s={s:g} {100 * a:.1f}" for s, a in self.accuracies.items())


class Progress(Protocol):
    """Receives what happens during one training run after another, and during merges that learn."""

    def start(self, label: str, steps: int) -> None:
        """Begin a run of that many steps."""

    def step(self, event: StepDone) -> None:
        """Take note of a finished step."""

    def validated(self, event: Validated) -> None:
        """Take note of an evaluation on validation inputs."""

    def stop(self) -> None:
        """End the run, finished or not."""

    def reached(self, share: float) -> None:
        """Take note of how much of a merge is made, from 0 to 1."""


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

    def reached(self, share: float) -> None:
        """Ignore the share."""
