"""Which of two models on the same test inputs is clearly better, as warnings ask."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Protocol

import numpy as np

from mergebench.measure import Merged, paired_test, unpacked, unpaired_interval
from mergebench.report.comparison import SIGNIFICANT

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
    """The same of two merges: by the mean over all tasks, and all test inputs."""
    points = (_percent(one, task) - _percent(other, task) for task in one.sizes)
    if fmean(points) <= CLEAR_POINTS:
        return False
    if not (one.hits and other.hits):
        correct, others = (sum(side.correct.values()) for side in (one, other))
        return _apart(correct, others, sum(one.sizes.values()))
    sides = (_together(side.hits, one.sizes) for side in (one, other))
    return paired_test(*sides).p_value < SIGNIFICANT


def _apart(correct: int, other: int, size: int) -> bool:
    """The same of counts alone, as if the inputs were not the same."""
    return unpaired_interval(100 * correct / size, 100 * other / size, size).low > 0


def _percent(merged: Merged, task: str) -> float:
    return 100 * merged.correct[task] / merged.sizes[task]


def _together(hits: Mapping[str, str], sizes: Mapping[str, int]) -> np.typing.NDArray[np.bool_]:
    return np.concatenate([unpacked(hits[task], size) for task, size in sizes.items()])
