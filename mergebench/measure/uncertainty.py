"""How sure a number is: intervals of accuracies and of their averages, tests of differences.

Accuracies and intervals are in percent, differences in points; all intervals are of 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
RESAMPLES = 9999
"""Of targets alone, a number each; `resampling`, which also draws test inputs, has fewer."""

Hits = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """From `low` to `high`, in percent or points."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """Two models on the same inputs: how many only the one, or only the other, has right.

    `p_value`: of McNemar's exact two-sided test, that either is as likely; 1 without such inputs.
    Source: McNemar, 1947, Note on the sampling error of the difference between correlated
    proportions, in its binomial form.
    """

    only_first: int
    only_second: int
    p_value: float


@lru_cache(maxsize=65536)
def wilson(correct: int, size: int) -> Interval:
    """Return Wilson's score interval of an accuracy (Wilson, 1927); `size` above 0.

    Large tables ask for the same counts again and again, and SciPy takes a millisecond.
    """
    found = stats.binomtest(correct, size).proportion_ci(LEVEL, method="wilson")
    return Interval(low=100 * float(found.low), high=100 * float(found.high))


def unpaired_interval(first: float, second: float, size: int) -> Interval:
    """Return the interval of `first` minus `second`, two accuracies of `size` inputs each.

    For models of which only counts are known, and for means over several scales, of which an input
    has a share right: its interval is at most as wide as that of an accuracy. If both have the same
    inputs, which are mostly easy or hard for both, it is too wide rather than too narrow. Source:
    Newcombe, 1998, Interval estimation for the difference between independent proportions, 10.
    """
    one, other = _wilson(first, size), _wilson(second, size)
    return Interval(
        low=first - second - math.hypot(first - one.low, other.high - second),
        high=first - second + math.hypot(one.high - first, second - other.low),
    )


def _wilson(accuracy: float, size: int) -> Interval:
    """Return Wilson's interval of an accuracy that need not be of whole inputs."""
    share, z = accuracy / 100, float(stats.norm.ppf((1 + LEVEL) / 2))
    weight = z * z / size
    half = math.sqrt(share * (1 - share) * weight + weight * weight / 4)
    low, high = ((share + weight / 2 + end) / (1 + weight) for end in (-half, half))
    return Interval(low=100 * max(0.0, low), high=100 * min(1.0, high))


def paired_test(first: Hits, second: Hits) -> PairedTest:
    """Compare which of the same inputs two models have right; ValueError if lengths differ."""
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} inputs against {len(second)}")
    one, other = int((first & ~second).sum()), int((second & ~first).sum())
    return _mcnemar(one, other)


@lru_cache(maxsize=65536)
def _mcnemar(one: int, other: int) -> PairedTest:
    p_value = float(stats.binomtest(one, one + other).pvalue) if one + other else 1.0
    return PairedTest(only_first=one, only_second=other, p_value=p_value)


def paired_interval(first: Hits, second: Hits) -> Interval:
    """Return the interval of `second` minus `first`, in points, on the same inputs.

    It is Clopper and Pearson's (1934) of the share of inputs that only `second` has right among
    those that only one of them has, given how many those are.
    """
    test = paired_test(first, second)
    discordant = test.only_first + test.only_second
    if discordant == 0:
        return Interval(low=0.0, high=0.0)
    share = stats.binomtest(test.only_second, discordant).proportion_ci(LEVEL, method="exact")
    points = 100 * discordant / len(first)
    return Interval(
        low=points * (2 * float(share.low) - 1), high=points * (2 * float(share.high) - 1)
    )


def bootstrap(values: Sequence[float]) -> Interval | None:
    """Return the percentile interval of the mean over resampled `values`; None for fewer than 2.

    `values`: one per target or task, which are what is drawn again with replacement: the interval
    speaks of other tasks like these, not of other inputs. Equal values, equal interval. Source:
    Efron, 1979, Bootstrap methods.
    """
    if len(values) < 2:
        return None
    found = stats.bootstrap(
        (np.asarray(values, dtype=float),),
        np.mean,
        confidence_level=LEVEL,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(low=float(found.low), high=float(found.high))
