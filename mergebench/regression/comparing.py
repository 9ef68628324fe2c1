"""Before against after: which outcomes moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mergebench.errors import InputError
from mergebench.measure import Hits, Interval, paired_interval, paired_test, unpacked
from mergebench.regression.baseline import Tolerance
from mergebench.regression.outcomes import Outcome

LEVEL = 0.01
"""Chance that a check of outcomes that did not change calls any of them moved (Bonferroni)."""


class Verdict(StrEnum):
    """What became of one outcome."""

    EQUAL = "equal"
    WITHIN = "within tolerance"
    MOVED = "moved"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One outcome before and after, at the task whose accuracy changed the most.

    `task`: that task, or "all tasks"; `difference` and `interval`: after minus before on the same
    test inputs, in points.
    """

    name: str
    before: Outcome
    after: Outcome
    task: str
    difference: float
    interval: Interval
    verdict: Verdict

    @property
    def counts(self) -> tuple[int, int, int]:
        """Correct before, correct after and test inputs, of `task`."""
        tasks = self.before.correct if self.task == ALL_TASKS else (self.task,)
        before, after, sizes = (
            sum(counts[task] for task in tasks)
            for counts in (self.before.correct, self.after.correct, self.before.sizes)
        )
        return before, after, sizes


ALL_TASKS = "all tasks"


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check found: inputs that are not those of the baseline, and the changes if none is.

    `vanished`: names of the baseline that were not measured again. `alone`: how many measurements
    only the older of two stores has, and only the newer. `at_baseline_point`: names of merges whose
    search chose another point in another environment, and which were compared at the baseline's.
    """

    other_inputs: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    vanished: tuple[str, ...] = ()
    alone: tuple[int, int] = (0, 0)
    at_baseline_point: tuple[str, ...] = ()

    @property
    def moved(self) -> tuple[Change, ...]:
        """The measurements that moved."""
        return tuple(change for change in self.changes if change.verdict is Verdict.MOVED)

    @property
    def passed(self) -> bool:
        """Whether everything is as before, within the tolerance."""
        return not self.other_inputs and not self.vanished and not self.moved


def changes(
    before: Mapping[str, Outcome],
    after: Mapping[str, Outcome],
    tolerance: Tolerance,
    *,
    exact: bool = False,
) -> list[Change]:
    """Return one change per name that both have, in the order of `before`.

    An accuracy moved if it differs by more than `tolerance` points and McNemar's exact test on the
    same inputs rejects that this is chance, at `LEVEL` over all comparisons; each task and all
    tasks together are compared. With `exact`, every other count has moved. Raises `InputError` when
    nothing can be compared, or not on the same inputs.
    """
    names = [name for name in before if name in after]
    if not names:
        raise InputError("nothing to compare: both sides have no measurement in common")
    comparisons = sum(len(before[name].correct) + 1 for name in names)
    return [
        _change(name, before[name], after[name], tolerance, exact, LEVEL / comparisons)
        for name in names
    ]


def _change(
    name: str,
    before: Outcome,
    after: Outcome,
    tolerance: Tolerance,
    exact: bool,
    level: float,
) -> Change:
    if before.sizes != after.sizes:
        raise InputError(
            f"{name}: {sum(before.sizes.values())} test inputs before, "
            f"{sum(after.sizes.values())} after: counts of other inputs cannot be compared"
        )
    pairs = {task: (_hits(before, task), _hits(after, task)) for task in before.sizes}
    if len(pairs) > 1:
        first, second = zip(*pairs.values(), strict=True)
        pairs[ALL_TASKS] = (np.concatenate(first), np.concatenate(second))
    allowed = tolerance.training if before.trained else tolerance.merges
    differences = {task: 100 * float(own[1].mean() - own[0].mean()) for task, own in pairs.items()}
    moved = {
        task
        for task, own in pairs.items()
        if abs(differences[task]) > allowed and paired_test(*own).p_value < level
    }
    equal = before.correct == after.correct
    if exact and not equal:
        moved |= {task for task in before.sizes if before.correct[task] != after.correct[task]}
    task = max(moved or pairs, key=lambda one: abs(differences[one]))
    return Change(
        name=name,
        before=before,
        after=after,
        task=task,
        difference=differences[task],
        interval=paired_interval(*pairs[task]),
        verdict=Verdict.MOVED if moved else Verdict.EQUAL if equal else Verdict.WITHIN,
    )


def _hits(outcome: Outcome, task: str) -> Hits:
    return unpacked(outcome.hits[task], outcome.sizes[task])
