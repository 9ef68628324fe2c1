"""Which point of which search is the theft at bounded cost, on counts whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mergebench.measure import Merged, Point
from mergebench.measure.theft import (
    THEFT_FINALISTS,
    Searched,
    best_theft,
    cheap_points,
    mean_accuracy,
)

TASKS = ("a", "b", "c")
SIZE = 100


def merged(name: str, *counts: int) -> Merged:
    """Return a merge with validation counts by task."""
    return Merged(
        seed=0,
        protection="trap2",
        target="a",
        attack=name,
        space="full",
        alpha=0.5,
        options={},
        points=3,
        correct={},
        sizes={},
        validated=dict(zip(TASKS, counts, strict=True)),
        validation_sizes=dict.fromkeys(TASKS, SIZE),
    )


def point(alpha: float, *counts: int, stage: str = "full") -> Point:
    found = dict(zip(TASKS, counts, strict=True))
    return Point(options={}, alpha=alpha, counts=found, stage=stage)


def searched(one: Merged, *points: Point) -> Searched:
    return Searched(merged=one, points=points)


LEFT_OUT = merged("leave_out", 40, 50, 60)  # 55 % on the others
TA = searched(merged("ta", 50, 50, 50), point(0.1, 41, 54, 56), point(0.2, 60, 50, 58))
TSV = searched(merged("tsv", 50, 50, 50), point(0.1, 70, 50, 50), point(0.3, 90, 10, 80))


def finalists(*searches: Searched, bound: int) -> list[tuple[str, float]]:
    found = cheap_points(searches, left_out=LEFT_OUT, target="a", bound=bound)
    return [(one.merged.attack, point.alpha) for one, point in found]


def test_a_point_that_merges_nothing_takes_no_place():
    """W0 has more on the target here than leaving the update out, and no part of the update."""
    base = replace(point(0.1, 80, 50, 60), leaves_base=True)
    ram = searched(merged("ram", 50, 50, 50), base, point(0.2, 44, 50, 60))
    assert finalists(ram, bound=1) == [("ram", 0.2)]
    assert finalists(searched(ram.merged, base), bound=5) == []


def test_finalists_are_the_best_on_the_target_of_each_search_that_cost_little():
    assert finalists(TA, TSV, bound=1) == [("ta", 0.2)]  # 54 %: exactly one point
    assert finalists(TA, TSV, bound=5) == [("tsv", 0.1), ("ta", 0.2)]  # 50 %: exactly five
    assert finalists(TA, TSV, bound=0) == [("ta", 0.1)]
    assert finalists(TA, TSV, bound=10) == [("tsv", 0.3), ("ta", 0.2)]
    assert finalists(TSV, bound=1) == finalists(bound=1) == []


def test_there_are_so_many_and_no_more():
    every = [searched(merged(name, 0, 0, 0), point(1, 60, 50, 60)) for name in "uvwxyz"]
    assert len(every) > THEFT_FINALISTS
    found = finalists(*every, bound=1)
    assert found == [(name, 1) for name in "uvwxyz"[:THEFT_FINALISTS]]  # of equals the first


def test_points_that_did_not_see_all_inputs_do_not_count():
    raced = searched(TA.merged, *TA.points, point(0.7, 90, 60, 60, stage="first 4"))
    assert finalists(raced, bound=1) == [("ta", 0.2)]


def test_of_equals_the_one_that_costs_less_then_the_first():
    dear = searched(merged("x", 0, 0, 0), point(1, 60, 50, 58))
    same = searched(merged("y", 0, 0, 0), point(2, 60, 59, 50), point(3, 60, 50, 59))
    assert finalists(dear, same, bound=1) == [("y", 2), ("x", 1)]


def seen(name: str, *counts: int) -> Merged:
    """Return a merge that all validation inputs, of another number, saw."""
    return replace(
        merged(name, 0, 0, 0),
        confirmed=dict(zip(TASKS, counts, strict=True)),
        confirmation_sizes=dict.fromkeys(TASKS, 10 * SIZE),
    )


def test_of_the_finalists_all_validation_inputs_choose():
    left_out = seen("leave_out", 0, 500, 600)  # 55 %
    some = [seen("x", 400, 500, 580), seen("y", 450, 499, 580), seen("z", 400, 500, 590)]

    def best(*finalists: Merged, bound: int) -> str | None:
        found = best_theft(finalists, left_out=left_out, target="a", bound=bound)
        return found and found.attack

    assert best(*some, bound=1) == "z"  # y costs a twentieth of a point more than one
    assert best(*some, bound=5) == "y"
    assert best(some[1], bound=1) is None
    assert best(bound=1) is None
    assert best(some[0], seen("w", 400, 500, 580), bound=1) == "x"


def test_mean_over_targets_has_an_interval():
    models = [
        {task: np.arange(SIZE) < right for task in TASKS} for right in (20, 40)
    ]  # of all tasks
    found = mean_accuracy(models, ("a", "b"), "target")
    assert found.value == pytest.approx(30)
    assert found.interval is not None
    assert found.interval.low < 20  # both draws may be the first target
    assert found.interval.high > 40
    assert mean_accuracy(models[:1], ("a",), "others").value == pytest.approx(20)
    with pytest.raises(ValueError, match="no case"):
        mean_accuracy([], (), "target")
