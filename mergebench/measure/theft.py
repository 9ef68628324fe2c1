"""Theft at bounded cost: the most of the target's skill that costs the other tasks little.

`θ_ε` is the largest target accuracy over the mixtures whose other tasks stay within `ε` points of
what the merge without the update has on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from mergebench.measure.measurements import Merged
from mergebench.measure.points import FULL, Point
from mergebench.measure.resampling import Estimate, Mixture, Resampling

BOUNDS = (1, 5)
"""The `ε` that are reported, in points."""

Searched = tuple[Merged, Sequence[Point]]
"""A merge and the points of its search."""


def cheap_point(
    searches: Iterable[Searched], *, left_out: Merged, target: str, bound: int
) -> tuple[Merged, Point] | None:
    """Return the merge and its point with the best target accuracy within `bound` points of cost.

    All on validation inputs, of points that saw them all, against `left_out`, the merge without the
    update. Of equals the one that costs the others least, then the first; None if every point costs
    them more.
    """
    least = _others(left_out.validated, left_out.validation_sizes, target) - Fraction(bound, 100)
    best: tuple[Merged, Point] | None = None
    best_value: tuple[Fraction, Fraction] | None = None
    for merged, points in searches:
        sizes = merged.validation_sizes
        for point in points:
            if point.stage != FULL:
                continue
            others = _others(point.counts, sizes, target)
            value = Fraction(point.counts[target], sizes[target]), others
            if others >= least and (best_value is None or value > best_value):
                best, best_value = (merged, point), value
    return best


def mean_accuracy(models: Sequence[Mixture], targets: Sequence[str], part: str) -> Estimate:
    """Return the accuracy of a model per target, averaged over targets, in percent.

    `part`, intervals and errors: as of `Resampling`.
    """
    sizes = {task: len(hits) for model in models[:1] for task, hits in model.items()}
    return Estimate.of(Resampling(targets, sizes).mean(models, part))


def _others(counts: Mapping[str, int], sizes: Mapping[str, int], target: str) -> Fraction:
    """Return the mean accuracy on the other tasks, exactly."""
    shares = [Fraction(counts[task], size) for task, size in sizes.items() if task != target]
    return sum(shares, Fraction(0)) / len(shares)
