"""Which strength is released: the rule, on counts written by hand."""

from __future__ import annotations

import pytest

from mergebench.errors import InputError
from mergebench.measure import OFF_NOMINAL, OnValidation, allowed_loss, choose_strength

SIZE = 100


def seen(strength: float | None, correct: int, elsewhere: int, size: int = SIZE) -> OnValidation:
    """An update with the same count at every scale but 1."""
    counts = dict.fromkeys(OFF_NOMINAL, elsewhere)
    return OnValidation(strength=strength, correct=correct, off_nominal=counts, size=size)


PLAIN = seen(None, 90, 85)


@pytest.mark.parametrize(
    ("tried", "chosen"),
    [
        ([seen(0.1, 90, 60), seen(0.2, 89, 40), seen(0.4, 80, 10)], 0.2),  # the last loses too much
        ([seen(0.1, 88, 40), seen(0.2, 99, 41)], 0.1),  # accuracy beyond the margin wins nothing
        ([seen(0.4, 90, 40), seen(0.2, 90, 40)], 0.2),  # of equals the smaller
        ([seen(0.1, 87, 10), seen(0.2, 90, 84)], 0.2),
    ],
)
def test_the_one_that_fails_most_elsewhere_among_those_within_the_margin(tried, chosen):
    assert choose_strength(tried, PLAIN, 2.0).strength == chosen


def test_none_within_the_margin_is_for_the_user_to_decide():
    tried = [seen(0.1, 87, 10), seen(0.2, 80, 0)]
    with pytest.raises(InputError, match=r"no λ of 0\.1, 0\.2 .* λ 0\.1 has 87\.0 %.*--margin"):
        choose_strength(tried, PLAIN, 2.0)
    assert choose_strength(tried, PLAIN, 3.0).strength == 0.1


@pytest.mark.parametrize(
    ("margin", "size", "inputs"), [(2, 100, 2), (2, 18, 1), (0, 18, 0), (2.1, 1000, 21), (5, 50, 3)]
)
def test_the_margin_is_rounded_up_to_whole_inputs(margin, size, inputs):
    assert allowed_loss(margin, size) == inputs


def test_accuracies_are_in_percent():
    one = seen(0.1, 9, 3, size=12)
    assert (one.accuracy, one.off_nominal_accuracy) == (75, 25)
