"""Evaluated points of a search, and which of them is the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from mergebench.measure.counts import Counts

Options = Mapping[str, Any]

FULL = "full"
"""The stage of points that saw all validation inputs."""

_LARGEST_SPLIT = 10_000_000
"""More inputs than a split has. Fractions of such denominators are further apart than floats."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One evaluated point of a search: the structural options, alpha, and validation counts.

    `stage`: "full", or on how many inputs a race gave it up (a key of the search's sizes). `tested`
    holds test counts, of some tasks, where a selection rule would choose the point. `leaves_base`:
    whether the merge changes nothing there, as one whose every entry is below a threshold.
    """

    options: Options
    alpha: float
    counts: Counts
    stage: str = FULL
    tested: Counts = field(default_factory=dict)
    leaves_base: bool = False


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Mean over tasks of accuracy, each task divided by its norm.

    `sizes`: inputs by task; `norms`: standalone accuracy by task as a fraction, 1 for no
    normalisation. Scores are exact, so that equals are equal in whatever order tasks are summed:
    norms are taken for the fractions of counts that they were. Raises ArithmeticError when a norm
    is 0, naming the task.
    """

    sizes: Counts
    norms: Mapping[str, float]

    def __post_init__(self) -> None:
        for task in self.sizes:
            if not self.norms[task] > 0:
                raise ArithmeticError(f"standalone accuracy of {task} is 0: it cannot be a norm")

    @cached_property
    def _weights(self) -> Mapping[str, Fraction]:
        """What one correct input of a task adds to the score."""
        norms = {
            task: Fraction(self.norms[task]).limit_denominator(_LARGEST_SPLIT)
            for task in self.sizes
        }
        return {task: 1 / (len(norms) * size * norms[task]) for task, size in self.sizes.items()}

    def __call__(self, counts: Counts) -> Fraction:
        """Return the score of `counts`; 1 means standalone accuracy on the average task."""
        parts = (counts[task] * weight for task, weight in self._weights.items())
        return sum(parts, Fraction(0))


def best_point(
    points: Iterable[Point], score: Callable[[Counts], Fraction], *, later_wins: bool
) -> Point:
    """Return the point with the highest score; of equals the last or the first."""
    scored = [(score(point.counts), point) for point in points]
    if not scored:
        raise ValueError("no point to choose from")
    return max(reversed(scored) if later_wins else scored, key=lambda one: one[0])[1]
