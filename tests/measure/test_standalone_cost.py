"""What a protection costs updates alone: a difference on the same inputs, with its interval."""

from __future__ import annotations

import pytest

from mergebench.measure import Standalone, cost_alone
from mergebench.measure.cell import packed

TASKS = ("digits", "flags")


def alone(release: str, task: str, right: int, size: int, seed: int = 0) -> Standalone:
    hits = packed([place < right for place in range(size)])
    return Standalone(seed=seed, release=release, task=task, correct=right, size=size, hits=hits)


def test_the_difference_is_a_mean_over_tasks_and_their_seeds() -> None:
    singles = [
        *(alone("none", "digits", 80, 100), alone("none", "flags", 20, 40)),
        *(alone("trap2", "digits", 70, 100), alone("trap2", "flags", 18, 40)),
        *(alone("none", "flags", 24, 40, seed=1), alone("trap2", "flags", 14, 40, seed=1)),
        alone("zero_shot", "digits", 10, 100),
    ]
    cost = cost_alone(singles, "trap2", TASKS)
    assert cost is not None
    assert cost.value == pytest.approx((-10 + (-5 - 25) / 2) / 2)
    assert cost.interval is not None
    assert cost.interval.low < cost.value < cost.interval.high < 0


def test_equal_answers_cost_nothing_for_certain() -> None:
    singles = [alone(name, task, 30, 60) for name in ("none", "trap2") for task in TASKS]
    cost = cost_alone(singles, "trap2", TASKS)
    assert cost is not None
    assert cost.interval is not None
    assert (cost.value, cost.interval.low, cost.interval.high) == (0, 0, 0)


def test_it_is_not_known_without_both_or_without_their_answers() -> None:
    lone = [alone("trap2", "digits", 30, 60), alone("none", "flags", 30, 60)]
    assert cost_alone(lone, "trap2", TASKS) is None
    counted = [
        Standalone(seed=0, release=name, task="digits", correct=30, size=60)
        for name in ("none", "trap2")
    ]
    assert cost_alone(counted, "trap2", TASKS) is None
