"""Means of accuracy over targets, and what drawing targets and test inputs again makes of them.

All numbers are in percent or points, with percentile intervals of 95 %.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mergebench.measure.cell import unpacked
from mergebench.measure.measurements import Merged
from mergebench.measure.uncertainty import LEVEL, Hits, Interval

RESAMPLES = 2000
"""Fewer than the 9999 of `uncertainty.bootstrap`: each draws every test input again."""

ROUNDING = 1e-9
"""In points, or of a share: far below what one test input is worth, above what sums are off by."""

Values = NDArray[np.float64]
"""`(RESAMPLES + 1,)`: the estimate itself, then what resampling makes of it."""

_KEPT = 1024
"""Models of which accuracies are kept: 48 KB each."""

Mixture = Mapping[str, Hits]
"""Which test inputs a deployed model has right, by task: `(N,)` bool each."""


def mixture_of(merged: Merged) -> Mixture:
    """Return which test inputs a merge has right."""
    return {task: unpacked(hits, merged.sizes[task]) for task, hits in merged.hits.items()}


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number and its interval; None where resampling leaves it undefined too often."""

    value: float
    interval: Interval | None

    @property
    def is_above_chance(self) -> bool:
        """Whether it has an interval, and all of that is above 0."""
        return self.interval is not None and self.interval.low > 0

    @classmethod
    def of(cls, values: Values) -> Estimate:
        """Return the estimate with its percentile interval."""
        return cls(value=float(values[0]), interval=_interval(values[1:]))


class Resampling:
    """Weights of test inputs and targets, the first of each being the measured ones.

    `targets`: of every model that is averaged, a target's seeds being one target; `sizes`: test
    inputs by task. Targets are drawn again with replacement, a target's seeds together, and so are
    the test inputs of every task, the same ones for all models: intervals speak of other tasks and
    inputs like these, and one target alone has none, unless they are to speak of `inputs_alone`.
    Equal targets and sizes, equal draws. Raises `ValueError` without a target.
    """

    def __init__(
        self, targets: Sequence[str], sizes: Mapping[str, int], *, inputs_alone: bool = False
    ) -> None:
        if not targets:
            raise ValueError("no case to average")
        self._of, self._inputs_alone = tuple(targets), inputs_alone
        self._targets = list(dict.fromkeys(targets))
        self._draws = _draws(tuple(sizes.items()), len(self._targets))

    def mean(self, models: Sequence[Mixture], part: str) -> Values:
        """Return the accuracy of one model per target given, averaged over the targets.

        `part`: of the "target", the "others" or "overall", the mean over tasks. Raises `ValueError`
        when a model was tested on other tasks.
        """
        by_target = [
            np.mean(
                [
                    self._draws.accuracy(model, own, part)
                    for model, own in zip(models, self._of, strict=True)
                    if own == target
                ],
                axis=0,
            )
            for target in self._targets
        ]
        means: Values = 100 * np.einsum("rt,tr->r", self._draws.targets, np.asarray(by_target))
        if len(self._targets) == 1 and not self._inputs_alone:
            means[1:] = np.nan
        return means


class _Draws:
    """The weights of test inputs, by task, and of targets; what models have under them is kept.

    On a leaderboard the same few models are what all protections are compared with.
    """

    def __init__(self, sizes: Sequence[tuple[str, int]], targets: int) -> None:
        draws = np.random.default_rng(0)
        self.inputs = {task: _weights(draws, size) for task, size in sizes}
        self.targets = _weights(draws, targets)
        self._known: dict[tuple[str, bytes], Mapping[str, Values]] = {}

    def accuracy(self, model: Mixture, target: str, part: str) -> Values:
        """Return the accuracies of a model; `part` and errors as of `Resampling.mean`."""
        if model.keys() != self.inputs.keys():
            raise ValueError(f"counts of {[*model]}, expected {[*self.inputs]}")
        hits = hashlib.sha256()
        for task in self.inputs:
            hits.update(model[task].tobytes())
        key = target, hits.digest()
        found = self._known.pop(key, None) or self._accuracies(model, target)
        self._known[key] = found  # the last one, as of all that was asked for
        if len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]
        return found[part]

    def _accuracies(self, model: Mixture, target: str) -> Mapping[str, Values]:
        by_task = {task: self.inputs[task] @ np.asarray(model[task], float) for task in model}
        others = [own for task, own in by_task.items() if task != target]
        return {
            "target": np.mean([by_task[target]], axis=0),
            "others": np.mean(others, axis=0) if others else np.full(RESAMPLES + 1, np.nan),
            "overall": np.mean([*by_task.values()], axis=0),
        }


@lru_cache(maxsize=1)
def _draws(sizes: tuple[tuple[str, int], ...], targets: int) -> _Draws:
    """Return the weights of the test inputs of tasks of these `sizes`, and of so many targets.

    The numbers of one table mostly share them, and those of large test sets take seconds and 16 KB
    per input.
    """
    return _Draws(sizes, targets)


def _weights(draws: np.random.Generator, size: int) -> Values:
    """Return how much each of `size` things counts: at first alike, then drawn with replacement.

    `(RESAMPLES + 1, size)`, rows of sum 1.
    """
    weights = np.empty((RESAMPLES + 1, size))
    weights[0] = 1 / size
    weights[1:] = draws.multinomial(size, np.full(size, 1 / size), RESAMPLES)
    weights[1:] /= size
    weights.flags.writeable = False
    return weights


def _interval(values: Values) -> Interval | None:
    """Return the percentile interval; None if more values are undefined than it leaves out."""
    defined = values[np.isfinite(values)]
    if len(defined) < len(values) * (1 + LEVEL) / 2:
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(low=float(low), high=float(high))
