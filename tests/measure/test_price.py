"""The price of theft of models whose accuracy is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mergebench.measure import Bought, price_of_theft
from mergebench.measure.resampling import Mixture

TASKS = ("a", "b", "c")
SIZE = 100
BUDGETS = (0, 4, 16)


def model(target: str, own: int, others: int = 50) -> Mixture:
    """Return a model with so many of 100 inputs right: the same ones as any better model."""
    return {task: np.arange(SIZE) < (own if task == target else others) for task in TASKS}


def bought(target: str, gains: tuple[int, ...], worth: int = 20, seed: int = 0) -> Bought:
    """Return what gains so much by budget, against 40 without the update."""
    return Bought(
        target=target,
        seed=seed,
        taken=tuple(model(target, 40 + gain) for gain in gains),
        left_out=model(target, 40),
        unprotected=model(target, 40 + worth),
    )


def test_the_price_is_the_first_number_that_is_enough() -> None:
    found = price_of_theft([bought(task, (0, 17, 18)) for task in TASKS], BUDGETS)
    assert [gain.value for gain in found.gains] == pytest.approx([0, 17, 18])
    assert [gain.value for gain in found.others] == pytest.approx([0, 0, 0])
    assert found.worth.value == pytest.approx(20)
    assert found.price is not None
    assert found.price.value == 16  # 90 % of 20 points are 18


def test_what_costs_nothing_and_what_no_number_buys() -> None:
    free = price_of_theft([bought(task, (20, 0, 0)) for task in TASKS], BUDGETS).price
    assert free is not None
    assert free.value == 0
    never = price_of_theft([bought(task, (0, 5, 9)) for task in TASKS], BUDGETS).price
    assert never is not None
    assert never.interval is not None
    assert (never.value, never.interval.low, never.interval.high) == (math.inf,) * 3


def test_its_interval_is_of_numbers_that_were_tried() -> None:
    """One target is stolen for 4 inputs and the others for none of these numbers."""
    cases = [bought("a", (0, 40, 40)), *(bought(task, (0, 0, 0)) for task in "bc")]
    price = price_of_theft(cases, BUDGETS).price
    assert price is not None
    assert price.interval is not None
    assert price.value == math.inf
    assert (price.interval.low, price.interval.high) == (4, math.inf)


def test_there_is_no_price_where_there_is_nothing_to_steal() -> None:
    found = price_of_theft([bought(task, (0, 5, 9), worth=0) for task in TASKS], BUDGETS)
    assert found.price is None


def test_seeds_of_a_target_are_averaged_before_targets_are() -> None:
    cases = [bought("a", (0, 0, 30)), bought("b", (0, 0, 0)), bought("b", (0, 0, 20), seed=1)]
    found = price_of_theft(cases, BUDGETS)
    assert found.gains[2].value == pytest.approx((30 + (0 + 20) / 2) / 2)


def test_what_is_spent_on_others_is_reported() -> None:
    case = Bought(
        target="a",
        seed=0,
        taken=(model("a", 60, others=49), model("a", 60, others=45)),
        left_out=model("a", 40),
        unprotected=model("a", 60),
    )
    found = price_of_theft([case], (0, 4))
    assert [cost.value for cost in found.others] == pytest.approx([-1, -5])


def test_another_number_of_mixtures_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        price_of_theft([bought("a", (0, 1, 2)), bought("b", (0, 1))], BUDGETS)
