"""Which of two models on the same test inputs is clearly better, as warnings ask."""

from __future__ import annotations

import math
from statistics import NormalDist, fmean
from typing import Protocol

import numpy as np

from mergebench.measure import Merged, paired_test, unpacked, unpaired_interval
from mergebench.report.comparison import SIGNIFICANT

_NORMAL = NormalDist().inv_cdf(0.975)

CLEAR_POINTS = 2.0
"""By how many points accuracies have to differ, beyond chance, before a warning says so."""


class Counted(Protocol):
    """A single model on one task: `hits`, which of `size` inputs are correct, may be unknown."""

    @property
    def correct(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def hits(self) -> str: ...


def clearly_better(one: Counted, other: Counted) -> bool:
    """Whether the one has more than two points more right, beyond chance on the same inputs."""
    if 100 * (one.correct - other.correct) <= CLEAR_POINTS * one.size:
        return False
    if not (one.hits and other.hits):
        return _apart(one.correct, other.correct, one.size)
    sides = (unpacked(side.hits, side.size) for side in (one, other))
    return paired_test(*sides).p_value < SIGNIFICANT


def merges_clearly_better(one: Merged, other: Merged) -> bool:
    """The same of two merges, by the mean over all tasks, of which every task has an equal share.

    Beyond chance: the 95 % interval of that mean (normal approximation, test inputs drawn anew task
    by task) lies above 0.
    """
    points, variances = zip(*(_difference(one, other, task) for task in one.sizes), strict=True)
    mean = fmean(points)
    return mean > max(CLEAR_POINTS, _NORMAL * math.sqrt(sum(variances)) / len(points))


def _difference(one: Merged, other: Merged, task: str) -> tuple[float, float]:
    """Return how many points more the one has right of a task, and the variance of that.

    Where hits are unknown, as if the inputs were not the same.
    """
    size = one.sizes[task]
    mine, theirs = (side.correct[task] / size for side in (one, other))
    if one.hits and other.hits:
        first, second = (unpacked(side.hits[task], size) for side in (one, other))
        variance = float(np.subtract(first, second, dtype=float).var())
    else:
        variance = mine * (1 - mine) + theirs * (1 - theirs)
    return 100 * (mine - theirs), 100**2 * variance / size


def _apart(correct: int, other: int, size: int) -> bool:
    """The same of counts alone, as if the inputs were not the same."""
    return unpaired_interval(100 * correct / size, 100 * other / size, size).low > 0
