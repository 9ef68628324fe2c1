"""The rules of a race: how many inputs its rounds show, and how sure an elimination is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Race:
    """The rules: how many inputs the rounds show, and how sure an elimination is.

    The first round shows `first_per_task` inputs of each task, class-balanced where its classes are
    equally frequent (else in random order, so that the first are like all), every further one
    so many that `growth` times as many were seen, the last one all of them. A point leaves when it
    is behind another by more than the inputs that neither has seen are likely to turn around, with
    a probability of at most `risk` per comparison (`racing.Track.beaten`). Every round is a
    chance to err, which speaks for few of them.
    """

    first_per_task: int = 4
    growth: float = 1.5
    risk: float = 0.05

    def rounds(self, per_task: int) -> list[range]:
        """Return the ranks of the inputs that each round adds, from 0 to `per_task`."""
        ends = [min(self.first_per_task, per_task)]
        while ends[-1] < per_task:
            ends.append(min(per_task, max(ends[-1] + 1, round(ends[-1] * self.growth))))
        return [range(start, end) for start, end in zip([0, *ends], ends, strict=False)]
