"""Which point of which search is the theft at bounded cost, on counts whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from mergebench.measure import Merged, Point
from mergebench.measure.theft import Searched, cheap_point, mean_accuracy

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


LEFT_OUT = merged("leave_out", 40, 50, 60)  # 55 % on the others
TA = merged("ta", 50, 50, 50), [point(0.1, 41, 54, 56), point(0.2, 60, 50, 58)]
TSV = merged("tsv", 50, 50, 50), [point(0.1, 70, 50, 50), point(0.3, 90, 10, 80)]


def chosen(*searches: Searched, bound: int) -> tuple[str, float] | None:
    found = cheap_point(searches, left_out=LEFT_OUT, target="a", bound=bound)
    return found and (found[0].attack, found[1].alpha)


def test_the_best_on_the_target_among_those_that_cost_little():
    assert chosen(TA, TSV, bound=1) == ("ta", 0.2)  # 54 %: exactly one point
    assert chosen(TA, TSV, bound=5) == ("tsv", 0.1)  # 50 %: exactly five
    assert chosen(TA, TSV, bound=0) == ("ta", 0.1)
    assert chosen(TA, TSV, bound=10) == ("tsv", 0.3)


def test_there_may_be_none():
    assert chosen(TSV, bound=1) is None
    assert chosen(bound=1) is None


def test_points_that_did_not_see_all_inputs_do_not_count():
    raced = TA[0], [*TA[1], point(0.7, 90, 60, 60, stage="first 4")]
    assert chosen(raced, bound=1) == ("ta", 0.2)


def test_of_equals_the_one_that_costs_less_then_the_first():
    dear, cheap = (merged("x", 0, 0, 0), [point(1, 60, 50, 58)]), ([point(2, 60, 59, 50)])
    same = merged("y", 0, 0, 0), [*cheap, point(3, 60, 50, 59)]
    assert chosen(dear, same, bound=1) == ("y", 2)


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
