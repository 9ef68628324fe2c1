"""Which updates are scale-trapped, by a score of each, and how well the score tells them apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from mergebench.measure.measurements import UNPROTECTED, Context
from mergebench.measure.resampling import RESAMPLES, Estimate
from mergebench.measure.scale_response import ScaleResponse
from mergebench.measure.uncertainty import Interval


@dataclass(frozen=True, kw_only=True)
class Scored:
    """An update and its response; of a release of a suite, also what it is, else empty."""

    label: str
    response: ScaleResponse
    protection: str = ""
    task: str = ""
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Detection:
    """The scores of a suite's releases, and how they came about."""

    context: Context
    scored: tuple[Scored, ...]


@dataclass(frozen=True, kw_only=True)
class RocPoint:
    """What is flagged when all scores from `threshold` on are: shares of both kinds of updates."""

    threshold: float
    protected: Fraction
    unprotected: Fraction


@dataclass(frozen=True, kw_only=True)
class Roc:
    """How well scores tell protected updates from unprotected ones.

    `area` under the curve: the share of pairs in which the protected update has the larger score, a
    tie counting half; `interval`: of the area over other tasks like these (95 %), None where tasks
    are not known or too few. `sizes`: how many of both kinds. `points`: one per distinct score, the
    largest first.
    """

    protection: str
    area: Fraction
    sizes: tuple[int, int]
    points: tuple[RocPoint, ...]
    interval: Interval | None = None

    @property
    def pairs(self) -> int:
        """How many pairs of a protected and an unprotected update there are."""
        return math.prod(self.sizes)


def roc(protection: str, protected: Sequence[float], unprotected: Sequence[float]) -> Roc:
    """Return the exact curve of two lists of scores; `ValueError` where one is empty."""
    if not protected or not unprotected:
        raise ValueError("a ROC needs scores of both kinds of updates")
    halves = sum((yes > no) + (yes >= no) for yes in protected for no in unprotected)
    points = tuple(
        RocPoint(
            threshold=score,
            protected=Fraction(sum(one >= score for one in protected), len(protected)),
            unprotected=Fraction(sum(one >= score for one in unprotected), len(unprotected)),
        )
        for score in sorted({*protected, *unprotected}, reverse=True)
    )
    sizes = len(protected), len(unprotected)
    area = Fraction(halves, 2 * math.prod(sizes))
    return Roc(protection=protection, area=area, sizes=sizes, points=points)


def rocs(found: Sequence[Scored]) -> tuple[Roc, ...]:
    """Return the curve of every protection among the releases, in the order of their mention.

    There is none where no unprotected release was scored.
    """
    kinds: dict[str, list[Scored]] = {}
    for one in found:
        kinds.setdefault(one.protection, []).append(one)
    plain = kinds.pop(UNPROTECTED, [])
    kinds.pop("", None)
    return tuple(
        replace(roc(name, _scores(own), _scores(plain)), interval=_area_interval(own, plain))
        for name, own in kinds.items()
        if plain
    )


def _scores(found: Sequence[Scored]) -> list[float]:
    return [one.response.score for one in found]


def _area_interval(protected: Sequence[Scored], plain: Sequence[Scored]) -> Interval | None:
    """Return the percentile interval of the area when tasks are drawn again with replacement.

    All releases of a task, of both kinds and of all seeds, are drawn together. None for fewer than
    two tasks, and where too many draws have releases of one kind alone.
    """
    tasks = sorted({one.task for one in (*protected, *plain)})
    if len(tasks) < 2:
        return None
    wins, pairs = (np.zeros((len(tasks), len(tasks))) for _ in range(2))
    for one in protected:
        for other in plain:
            place = tasks.index(one.task), tasks.index(other.task)
            mine, theirs = one.response.score, other.response.score
            wins[place] += ((mine > theirs) + (mine >= theirs)) / 2
            pairs[place] += 1
    draws = np.random.default_rng(0)
    drawn = draws.multinomial(len(tasks), np.full(len(tasks), 1 / len(tasks)), RESAMPLES)
    weights = np.vstack([np.ones(len(tasks)), drawn])
    sums = [np.einsum("rt,tu,ru->r", weights, each, weights) for each in (wins, pairs)]
    with np.errstate(invalid="ignore"):
        return Estimate.of(sums[0] / sums[1]).interval
