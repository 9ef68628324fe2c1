"""What a table of merges holds: accuracies on the target, the other tasks and all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mergebench.measure import FROM_BASE, UNPROTECTED, Estimate, Interval, Merged
from mergebench.report.comparison import Comparison
from mergebench.report.spread import Spread

AttackInSpace = tuple[str, str]
ViewKey = tuple[str, AttackInSpace, str, int]
"""Protection, attack and space, target, seed."""
ViewOrder = tuple[tuple[int, str], tuple[int, str, int, str], int, int]


@dataclass(frozen=True, kw_only=True)
class TargetView:
    """One merge seen from one target: accuracies in percent on it, on the others and on all.

    The unprotected merge of a seed is seen from every target. `others` is None with one task, and
    `overall` too where not all tasks were tested.
    """

    target: str
    merged: Merged
    accuracy: float
    others: float | None
    overall: float | None

    @property
    def correct(self) -> int:
        """Return the correct answers on the target's task."""
        return self.merged.correct[self.target]

    @property
    def size(self) -> int:
        """Return the number of test inputs of the target's task."""
        return self.merged.sizes[self.target]


@dataclass(frozen=True, kw_only=True)
class MergedCell:
    """One number of the table and what else is known of it, in percent, averaged over targets.

    `target`: accuracy on the target's task (reading A); `others`: mean over the other tasks;
    `overall`: mean over all tasks (reading B). `alpha`: mean over the merges. `half_width`: of the
    95 % interval of `target.mean` from the finite test sets, in points. `correct` of `total` sum
    the target's counts over targets and seeds. `interval`: over other targets, None with a single
    one. `merges`: how many merges are averaged; `warnings`: how many of them carry one, by kind.
    """

    target: Spread
    others: Spread | None
    overall: Spread | None
    alpha: float
    half_width: float
    correct: int
    total: int
    interval: Interval | None
    merges: int
    warnings: Mapping[str, int]

    @property
    def estimate(self) -> Estimate:
        """Accuracy on the target's task with its interval over other targets."""
        return Estimate(value=self.target.mean, interval=self.interval)


@dataclass(frozen=True, kw_only=True)
class Table2:
    """Cells by protection and column, over `targets` of `tasks`; None where one is incomplete.

    `inputs`: what the tasks have, as of `Context`. `zero_shot` is the backbone's mean accuracy on
    the targets' tasks, None if not measured. `comparisons`: protected against unprotected cells,
    where both are complete; `against_base`: against the same attack on W0, which needs no update.
    """

    tasks: tuple[str, ...]
    inputs: str
    targets: tuple[str, ...]
    columns: tuple[AttackInSpace, ...]
    protections: tuple[str, ...]
    cells: Mapping[tuple[str, AttackInSpace], MergedCell | None]
    views: tuple[TargetView, ...]
    zero_shot: float | None
    comparisons: Mapping[tuple[str, AttackInSpace], Comparison]
    against_base: Mapping[tuple[str, AttackInSpace], Comparison]


def is_protected(protection: str) -> bool:
    """Return whether merges of this row contain a protected update."""
    return protection not in (UNPROTECTED, FROM_BASE)
