"""What a merger gains by taking an update, against the merge without it; how much is denied.

Source: the yardstick is what every merger has anyway, the merge of the other updates. All numbers
are in points of accuracy, averaged over targets, with percentile intervals of 95 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mergebench.measure.uncertainty import LEVEL, Hits, Interval

RESAMPLES = 2000
Values = NDArray[np.float64]
"""`(RESAMPLES + 1,)`: the estimate itself, then what resampling makes of it."""

Mixture = Mapping[str, Hits]
"""Which test inputs a deployed model has right, by task: `(N,)` bool each."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One target and seed: the model with its protected update, and what it is compared with.

    `taken`: with the protected update; `left_out`: of the other updates; `unprotected`: with the
    target's unprotected update. All on the same test inputs of the same tasks.
    """

    target: str
    seed: int
    taken: Mixture
    left_out: Mixture
    unprotected: Mixture


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number and its interval; None where resampling leaves it undefined too often."""

    value: float
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What taking the update is worth, in points.

    `overall`: mean over all tasks of the merge with it minus that without; `target`: on the target
    alone; `others`: on the other tasks, whose negative is the damage. `unprotected_overall`,
    `unprotected_target`: the same with the unprotected update. `denied`, `denied_target`:
    `1 - max(0, G) / G⁰`, the share of what an unprotected update gives that the protected one does
    not; None where an unprotected one gives nothing.
    """

    overall: Estimate
    target: Estimate
    others: Estimate
    unprotected_overall: Estimate
    unprotected_target: Estimate
    denied: Estimate | None
    denied_target: Estimate | None


def gain_of_taking(cases: Sequence[Case]) -> Gain:
    """Return the gains over all cases; `ValueError` if there are none or their tasks differ.

    Targets are drawn again with replacement, a target's seeds together, and so are the test inputs
    of every task, the same ones for all models: the intervals speak of other tasks and inputs like
    these. Equal cases, equal intervals.
    """
    if not cases:
        raise ValueError("no case to average")
    sample = _Sample(cases)
    taken, left_out, unprotected = (
        [getattr(case, name) for case in cases] for name in ("taken", "left_out", "unprotected")
    )

    def difference(models: Sequence[Mixture], part: str) -> Values:
        return sample.mean(models, part) - sample.mean(left_out, part)

    overall, target = (difference(taken, part) for part in ("overall", "target"))
    whole, own = (difference(unprotected, part) for part in ("overall", "target"))
    return Gain(
        overall=_estimate(overall),
        target=_estimate(target),
        others=_estimate(difference(taken, "others")),
        unprotected_overall=_estimate(whole),
        unprotected_target=_estimate(own),
        denied=_denied(overall, whole),
        denied_target=_denied(target, own),
    )


class _Sample:
    """Weights of test inputs and targets, the first of each being the measured ones."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._cases = cases
        draws = np.random.default_rng(0)
        self._inputs: dict[str, NDArray[np.float64]] = {}
        for task, hits in cases[0].taken.items():
            size = len(hits)
            drawn = draws.multinomial(size, np.full(size, 1 / size), RESAMPLES) / size
            self._inputs[task] = np.vstack([np.full(size, 1 / size), drawn])
        self._targets = list(dict.fromkeys(case.target for case in cases))
        count = len(self._targets)
        again = draws.multinomial(count, np.full(count, 1 / count), RESAMPLES) / count
        self._weights = np.vstack([np.full(count, 1 / count), again])

    def mean(self, models: Sequence[Mixture], part: str) -> Values:
        """Return the accuracy of one model per case, in percent, averaged over the targets."""
        by_target = [
            np.mean(
                [
                    self._accuracy(model, case.target, part)
                    for model, case in zip(models, self._cases, strict=True)
                    if case.target == target
                ],
                axis=0,
            )
            for target in self._targets
        ]
        means: Values = 100 * np.einsum("rt,tr->r", self._weights, np.asarray(by_target))
        return means

    def _accuracy(self, model: Mixture, target: str, part: str) -> Values:
        if model.keys() != self._inputs.keys():
            raise ValueError(f"counts of {[*model]}, expected {[*self._inputs]}")
        tasks = {
            "target": [target],
            "others": [task for task in model if task != target],
            "overall": list(model),
        }[part]
        own = partial(np.asarray, dtype=np.float64)
        found: Values = np.mean([self._inputs[task] @ own(model[task]) for task in tasks], axis=0)
        return found


def _estimate(values: Values) -> Estimate:
    return Estimate(value=float(values[0]), interval=_interval(values[1:]))


def _interval(values: Values) -> Interval | None:
    """Return the percentile interval; None if more values are undefined than it leaves out."""
    defined = values[np.isfinite(values)]
    if len(defined) < len(values) * (1 + LEVEL) / 2:
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(low=float(low), high=float(high))


def _denied(gained: Values, unprotected: Values) -> Estimate | None:
    if unprotected[0] <= 0:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(unprotected > 0, 1 - np.maximum(0, gained) / unprotected, np.nan)
    return _estimate(shares)
