"""What makes a measured number doubtful; computed with it, stored with it, shown beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mergebench.contracts import is_edge
from mergebench.measure.counts import Counts

COLLAPSED_SHARE = 0.5
"""Share of a task's test inputs given one class beyond which predictions count as collapsed."""
COLLAPSED_EXCESS = 1.5
"""How many times as often as the task's most frequent class is true it must also be given.

Without it, a task of two classes would always count as collapsed.
"""
GAP_ERRORS = 3.0
"""Standard errors of the difference beyond which validation and test accuracy disagree."""
NORM_RANGE = (0.02, 3.0)
"""Usual size of a merge, as a multiple of what the norms of orthogonal updates add up to.

A merge below it leaves every update with about that share of its scale: hardly more than the
backbone itself. Such a search gave merging up, and the cell's accuracy is next to zero-shot. CART
can do so within the `paper` grid and TA cannot: CART's `D` is about the mean of T updates, so that
at the smallest alpha, 0.1, eight of them have 1/80 of their scale, and 1/10 in TA's sum.
"""
UNFAITHFUL_SHARE = 0.02
"""Share of validation inputs by which a loaded update may differ from what training saw."""

EDGE = "alpha at the edge"
MULTIPLIER_EDGE = "coefficient at the edge"
COLLAPSED = "collapsed predictions"
GAP = "validation-test gap"
NORM = "norm out of range"
DEGENERATE = "degenerate bases"
NOT_FINITE = "embeddings not finite"
UNFAITHFUL = "accuracy not reproduced"
WEAKER_THAN_TA = "weaker than TA"
UTILITY_LOSS = "utility loss"


@dataclass(frozen=True, kw_only=True)
class CellWarning:
    """One doubt about one cell: its `kind`, one of the constants of this module, and the facts."""

    kind: str
    detail: str


def edge_of_grid(alpha: float, alphas: Sequence[float]) -> Iterator[CellWarning]:
    """Warn when the best coefficient is the smallest or largest of a search (see `is_edge`)."""
    if is_edge(alpha, alphas):
        what = "smallest" if alpha == min(alphas) else "largest"
        yield CellWarning(kind=EDGE, detail=f"alpha {alpha:g} is the {what} of the grid")


def multipliers_at_edge(found: Mapping[str, float]) -> Iterator[CellWarning]:
    """Warn about coefficients beside alpha at the ends of their grids (`Attack.at_edge`)."""
    if found:
        text = ", ".join(f"{name} {value:g}" for name, value in found.items())
        yield CellWarning(kind=MULTIPLIER_EDGE, detail=f"at the edge of the grid: {text}")


def collapsed_predictions(
    most_predicted: Counts, most_frequent: Counts, sizes: Counts
) -> Iterator[CellWarning]:
    """Warn about tasks where one class is predicted for too many of the test inputs.

    `most_predicted`: how often the most frequent prediction was made, `most_frequent`: how often
    the most frequent class is true, by task. Too many are more than half of the inputs and more
    than 1.5 times `most_frequent`.
    """
    worst = {
        task: most_predicted[task] / size
        for task, size in sizes.items()
        if most_predicted[task] > COLLAPSED_SHARE * size
        and most_predicted[task] > COLLAPSED_EXCESS * most_frequent[task]
    }
    if worst:
        text = ", ".join(f"{task} {100 * share:.0f} %" for task, share in worst.items())
        yield CellWarning(kind=COLLAPSED, detail=f"one class for most inputs: {text}")


def not_finite(found: Counts, sizes: Counts) -> Iterator[CellWarning]:
    """Warn about tasks with test inputs whose embedding is not finite, `found` of them."""
    text = ", ".join(f"{task} {count} of {sizes[task]}" for task, count in found.items() if count)
    if text:
        yield CellWarning(kind=NOT_FINITE, detail=f"no embedding for test inputs: {text}")


def validation_test_gap(
    validation: Counts, validation_sizes: Counts, test: Counts, test_sizes: Counts
) -> Iterator[CellWarning]:
    """Warn when the mean accuracies over tasks differ by more than three standard errors.

    The standard error is that of the difference of two means of independent binomial shares. The
    validation inputs chose the point, which by itself makes them look better.
    """
    gap = variance = 0.0
    for task, size in test_sizes.items():
        share = test[task] / size
        seen = validation[task] / validation_sizes[task]
        gap += (seen - share) / len(test_sizes)
        variance += seen * (1 - seen) / validation_sizes[task] + share * (1 - share) / size
    error = math.sqrt(variance) / len(test_sizes)
    if abs(gap) > GAP_ERRORS * error:
        yield CellWarning(
            kind=GAP,
            detail=f"validation {100 * gap:+.1f} points above test, {GAP_ERRORS:g} standard "
            f"errors are {100 * GAP_ERRORS * error:.1f}",
        )


def norm_out_of_range(ratio: float, alpha: float) -> Iterator[CellWarning]:
    """Warn about a merge that is much smaller or larger than its updates.

    `ratio`: `‖alpha D‖ / sqrt(Σ ‖τ_i‖²)`; with alpha 0 nothing was merged, and nothing is said.
    """
    low, high = NORM_RANGE
    if alpha != 0 and not low <= ratio <= high:
        yield CellWarning(
            kind=NORM, detail=f"the merge is {ratio:.3g} times the updates (usual: {low}-{high:g})"
        )


def degenerate_bases(
    notes: Mapping[str, float], limits: Mapping[str, float]
) -> Iterator[CellWarning]:
    """Warn when a note that an attack took of its bases lies below the attack's own limit."""
    for what, limit in limits.items():
        if notes.get(what, limit) < limit:
            yield CellWarning(kind=DEGENERATE, detail=f"{what} {notes[what]:.2g} (below {limit:g})")


def not_reproduced(found: int, expected: int, size: int) -> Iterator[CellWarning]:
    """Warn when a released update at scale 1 is not as accurate as training saw it.

    `found` and `expected`: correct validation inputs of `size`. A few differ because the deployed
    update is added to the weights and not run beside them.
    """
    if abs(found - expected) > UNFAITHFUL_SHARE * size:
        yield CellWarning(
            kind=UNFAITHFUL,
            detail=f"{found} of {size} validation inputs correct, training saw {expected}",
        )
