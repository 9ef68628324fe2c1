"""The price of theft: how many inputs of the target's task buy most of what an update gives.

Source: the price is the smallest number of inputs with which the best attack reaches 90 % of the
gain on the target that an unprotected update gives, the other tasks losing at most one point. All
intervals are of 95 %, over other targets and test inputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mergebench.measure.resampling import ROUNDING, Estimate, Mixture, Resampling, Values
from mergebench.measure.uncertainty import LEVEL, Interval

SHARE = 0.9
"""The share of what an unprotected update gives that counts as having stolen it."""

COST = 1
"""What a mixture may cost the other tasks, in points, on validation inputs."""


@dataclass(frozen=True, kw_only=True)
class Bought:
    """What one target and seed give by the number of inputs, and what that is compared with.

    `taken`: a mixture per budget; `left_out`: of the other updates; `unprotected`: the best one
    without inputs that has the target's unprotected update. All on the same test inputs.
    """

    target: str
    seed: int
    taken: tuple[Mixture, ...]
    left_out: Mixture
    unprotected: Mixture


@dataclass(frozen=True, kw_only=True)
class PriceOfTheft:
    """By budget what is gained on the target and on the others, in points; the price in inputs.

    `worth`: the gain of an unprotected update on the target. `price`: infinite where no budget
    suffices; None where an unprotected update gives nothing; its interval is None where resampling
    says so too often.
    """

    gains: tuple[Estimate, ...]
    others: tuple[Estimate, ...]
    worth: Estimate
    price: Estimate | None


def price_of_theft(cases: Sequence[Bought], budgets: Sequence[int]) -> PriceOfTheft:
    """Return the price over all cases; `budgets`: the numbers of inputs of `taken`, ascending.

    Raises `ValueError` as `Resampling`, and for a case with another number of mixtures.
    """
    sizes = {task: len(hits) for case in cases[:1] for task, hits in case.left_out.items()}
    sample = Resampling([case.target for case in cases], sizes)
    left_out = [case.left_out for case in cases]

    def gain(models: Sequence[Mixture], part: str) -> Values:
        return sample.mean(models, part) - sample.mean(left_out, part)

    by_budget = [*zip(*(case.taken for case in cases), strict=True)]
    gains = [gain(models, "target") for models in by_budget]
    worth = gain([case.unprotected for case in cases], "target")
    return PriceOfTheft(
        gains=tuple(map(Estimate.of, gains)),
        others=tuple(Estimate.of(gain(models, "others")) for models in by_budget),
        worth=Estimate.of(worth),
        price=_price(gains, worth, budgets),
    )


def _price(gains: Sequence[Values], worth: Values, budgets: Sequence[int]) -> Estimate | None:
    """Return the first budget that suffices, of the estimate and of all resamples."""
    if worth[0] <= ROUNDING:
        return None
    enough = np.vstack(
        [*(own >= SHARE * worth - ROUNDING for own in gains), np.full(len(worth), True)]
    )
    found = np.asarray([*budgets, math.inf], dtype=np.float64)[enough.argmax(axis=0)]
    return Estimate(value=float(found[0]), interval=_interval(found[1:], worth[1:] > ROUNDING))


def _interval(
    found: Values, defined: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> Interval | None:
    """Return between which budgets the price is; never a number between two of them."""
    if defined.sum() < len(found) * (1 + LEVEL) / 2:
        return None
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(found[defined], ends, method="inverted_cdf")
    return Interval(low=float(low), high=float(high))
