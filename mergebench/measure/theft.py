"""Theft at bounded cost: the most of the target's skill that costs the other tasks little.

`θ_ε` is the largest target accuracy over the mixtures whose other tasks stay within `ε` points of
what the merge without the update has on them. Chosen in two stages, as merges are (`Choice`): a
point of cost is a single input or two on what searches may look at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from mergebench.measure.measurements import Merged
from mergebench.measure.points import FULL, Point
from mergebench.measure.resampling import Estimate, Mixture, Resampling

BOUNDS = (1, 5)
"""The `ε` that are reported, in points."""

THEFT_FINALISTS = 2
"""How many mixtures of each level are held against each other on all validation inputs.

Beside those that the choice over all tasks has looked at there.
"""


@dataclass(frozen=True, kw_only=True)
class Searched:
    """A merge and the points of its search; `given`: options that its attack had before that."""

    merged: Merged
    points: Sequence[Point]
    given: Mapping[str, Any] = field(default_factory=dict)


def cheap_points(
    searches: Iterable[Searched], *, left_out: Merged, target: str, bound: int
) -> list[tuple[Searched, Point]]:
    """Return the searches and the points that are finalists, the best on the target first.

    On the inputs of the searches, of points that saw them all and merge anything: of each merge
    the point with the best target accuracy of those that cost the others at most `bound` points
    against `left_out`, the merge without the update, and of these the best `THEFT_FINALISTS`. Of
    equals those that cost the others least, then the first. Fewer where fewer cost that little.
    """
    least = _others(left_out.validated, left_out.validation_sizes, target) - Fraction(bound, 100)

    def value(found: tuple[Searched, Point]) -> _Value:
        one, point = found
        return _value(point.counts, one.merged.validation_sizes, target)

    best = []
    for one in searches:
        full = [(one, point) for point in one.points if point.stage == FULL]
        taking = [found for found in full if not found[1].leaves_base]
        cheap = [found for found in taking if value(found)[1] >= least]
        best += [max(cheap, key=value)] if cheap else []
    return sorted(best, key=value, reverse=True)[:THEFT_FINALISTS]


def best_theft(
    finalists: Iterable[Merged], *, left_out: Merged, target: str, bound: int
) -> Merged | None:
    """Return the finalist with the best target accuracy that costs the others at most `bound`.

    On all validation inputs, where everything given is confirmed; of equals as `cheap_points`. None
    if every finalist costs them more.
    """
    least = _others(left_out.confirmed, left_out.confirmation_sizes, target) - Fraction(bound, 100)

    def value(one: Merged) -> _Value:
        return _value(one.confirmed, one.confirmation_sizes, target)

    return max((one for one in finalists if value(one)[1] >= least), key=value, default=None)


def mean_accuracy(models: Sequence[Mixture], targets: Sequence[str], part: str) -> Estimate:
    """Return the accuracy of a model per target, averaged over targets, in percent.

    `part`, intervals and errors: as of `Resampling`.
    """
    sizes = {task: len(hits) for model in models[:1] for task, hits in model.items()}
    return Estimate.of(Resampling(targets, sizes).mean(models, part))


_Value = tuple[Fraction, Fraction]


def _value(counts: Mapping[str, int], sizes: Mapping[str, int], target: str) -> _Value:
    """Return the accuracy on the target and on the other tasks, exactly."""
    return Fraction(counts[target], sizes[target]), _others(counts, sizes, target)


def _others(counts: Mapping[str, int], sizes: Mapping[str, int], target: str) -> Fraction:
    """Return the mean accuracy on the other tasks, exactly."""
    shares = [Fraction(counts[task], size) for task, size in sizes.items() if task != target]
    return sum(shares, Fraction(0)) / len(shares)
