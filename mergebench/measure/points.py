"""Evaluated points of a search, and which of them is the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mergebench.measure.counts import Counts

Options = Mapping[str, Any]

FULL = "full"
"""The stage of points that saw all validation inputs."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One evaluated point of a search: the structural options, alpha, and validation counts.

    `stage`: "full", or on how many inputs a race gave it up (a key of the search's sizes). `tested`
    holds test counts, of some tasks, where a selection rule would choose the point.
    """

    options: Options
    alpha: float
    counts: Counts
    stage: str = FULL
    tested: Counts = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Mean over tasks of accuracy, each task divided by its norm.

    `sizes`: inputs by task; `norms`: standalone accuracy by task as a fraction, 1 for no
    normalisation. Raises ArithmeticError when a norm is 0, naming the task.
    """

    sizes: Counts
    norms: Mapping[str, float]

    def __post_init__(self) -> None:
        for task in self.sizes:
            if not self.norms[task] > 0:
                raise ArithmeticError(f"standalone accuracy of {task} is 0: it cannot be a norm")

    def __call__(self, counts: Counts) -> float:
        """Return the score of `counts`; 1 means standalone accuracy on the average task."""
        parts = [counts[task] / size / self.norms[task] for task, size in self.sizes.items()]
        return sum(parts) / len(parts)


def best_point(
    points: Iterable[Point], score: Callable[[Counts], float], *, later_wins: bool
) -> Point:
    """Return the point with the highest score; of equals the last or the first."""
    best: Point | None = None
    best_score = float("-inf")
    for point in points:
        value = score(point.counts)
        if best is None or value > best_score or (later_wins and value == best_score):
            best, best_score = point, value
    if best is None:
        raise ValueError("no point to choose from")
    return best
