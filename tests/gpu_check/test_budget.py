"""Parts have shares of the time, and what one leaves over is there for the next."""

from __future__ import annotations

import pytest

from mergebench.gpu_check.budget import Budget


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_shares_are_of_what_is_left() -> None:
    clock = Clock()
    budget = Budget(100, {"first": 1, "second": 1, "third": 2}, clock)
    first = budget.begin("first")
    assert first.left == pytest.approx(25)
    clock.now = 10  # 15 seconds less than it may
    assert budget.begin("second").left == pytest.approx(30)
    clock.now = 70  # 30 seconds more than it may
    third = budget.begin("third")
    assert third.left == pytest.approx(30)
    assert first.passed
    assert not third.passed
    clock.now = 100
    assert third.passed
    assert third.left == 0
