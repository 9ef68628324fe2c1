"""A protected cell against the unprotected one: the same targets, seeds and test inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from mergebench.measure import (
    Estimate,
    Interval,
    Merged,
    PairedTest,
    bootstrap,
    paired_test,
    unpacked,
)

SIGNIFICANT = 0.05


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How much a protection lowers the target's accuracy, and whether that could be chance.

    `difference`: protected minus unprotected, in points. `interval`: over other targets, None with
    a single one. `p_value`: of McNemar's test on the test inputs of all targets, the largest of the
    seeds (they share their inputs); None where a cell has no hits, and other targets decide.
    """

    difference: float
    interval: Interval | None
    p_value: float | None

    @property
    def estimate(self) -> Estimate:
        """The difference with its interval."""
        return Estimate(value=self.difference, interval=self.interval)

    @property
    def significant(self) -> bool:
        """Whether both reject equality: other targets (95 %), and other test inputs (5 %).

        One of them alone decides where the other is None; where both are, chance is not excluded.
        """
        if self.interval is None and self.p_value is None:
            return False
        over_targets = self.interval is None or 0.0 not in self.interval
        return over_targets and (self.p_value is None or self.p_value < SIGNIFICANT)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """An unprotected and a protected merge seen from one target: accuracies in percent."""

    target: str
    seed: int
    plain: Merged
    guarded: Merged

    @property
    def difference(self) -> float:
        """Return protected minus unprotected accuracy on the target, in points."""
        size = self.guarded.sizes[self.target]
        gained = self.guarded.correct[self.target] - self.plain.correct[self.target]
        return 100 * gained / size

    def test(self) -> PairedTest | None:
        """Return the paired test on the target's inputs; None if either has no hits."""
        return paired((self,))


def compare(pairs: Sequence[Pair]) -> Comparison | None:
    """Compare two cells; None without pairs."""
    if not pairs:
        return None
    by_target: dict[str, list[float]] = {}
    by_seed: dict[int, list[Pair]] = {}
    for pair in pairs:
        by_target.setdefault(pair.target, []).append(pair.difference)
        by_seed.setdefault(pair.seed, []).append(pair)
    differences = [fmean(values) for values in by_target.values()]
    tests = [paired(members) for members in by_seed.values()]
    p_values = [test.p_value for test in tests if test is not None]
    return Comparison(
        difference=fmean(differences),
        interval=bootstrap(differences),
        p_value=max(p_values) if len(p_values) == len(tests) else None,
    )


def paired(pairs: Sequence[Pair]) -> PairedTest | None:
    """Return the test on the targets' inputs of all pairs; None if a merge has no hits."""
    if any(pair.target not in one.hits for pair in pairs for one in (pair.plain, pair.guarded)):
        return None
    sides = (
        np.concatenate([unpacked(one.hits[target], one.sizes[target]) for one, target in side])
        for side in (
            [(pair.plain, pair.target) for pair in pairs],
            [(pair.guarded, pair.target) for pair in pairs],
        )
    )
    return paired_test(*sides)
