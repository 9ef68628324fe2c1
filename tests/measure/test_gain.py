"""What taking an update is worth, on cases whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mergebench.measure.gain import Case, Mixture, gain_of_taking

TASKS = ("a", "b", "c", "d")
SIZE = 200


def model(**right: int) -> Mixture:
    """Return a model that has the first inputs of each task right, half of them if not said."""
    return {task: np.arange(SIZE) < right.get(task, SIZE // 2) for task in TASKS}


def case(target: str, *, taken: int, unprotected: int, others: int = 100, seed: int = 0) -> Case:
    """Return a case whose models differ on the target, the taken one on the others too."""
    rest = {task: others for task in TASKS if task != target}
    return Case(
        target=target,
        seed=seed,
        taken=model(**{target: taken}, **rest),
        left_out=model(),
        unprotected=model(**{target: unprotected}),
    )


def test_estimates_are_means_over_targets():
    cases = [
        case("a", taken=120, unprotected=180, others=90),
        case("b", taken=100, unprotected=140),
    ]
    found = gain_of_taking(cases)
    assert found.target.value == pytest.approx(100 * (20 + 0) / SIZE / 2)
    assert found.others.value == pytest.approx(100 * (-10 + 0) / SIZE / 2)
    assert found.overall.value == pytest.approx(100 * ((20 - 30) / 4 + 0) / SIZE / 2)
    assert found.denied_target is not None
    assert found.denied_target.value == pytest.approx(1 - 20 / 120)
    assert found.denied is not None
    assert found.denied.value == 1  # taking it costs the others more than the target gains


def test_one_target_says_nothing_of_others() -> None:
    found = gain_of_taking([case("a", taken=120, unprotected=180)])
    assert found.target.value == pytest.approx(100 * 20 / SIZE)
    assert {found.target.interval, found.overall.interval, found.others.interval} == {None}
    assert found.denied_target is not None
    assert found.denied_target.interval is None
    assert not found.nothing_denied


def test_a_protection_that_protects_nothing_denies_nothing():
    """A weak protection: the merge with it is that with the unprotected update."""
    draws = np.random.default_rng(1)
    cases = []
    for target in TASKS:
        better = {task: draws.random(SIZE) < (0.9 if task == target else 0.6) for task in TASKS}
        plain = {task: draws.random(SIZE) < 0.6 for task in TASKS}
        cases.append(Case(target=target, seed=0, taken=better, left_out=plain, unprotected=better))
    found = gain_of_taking(cases)
    assert found.denied is not None
    assert found.denied.value == 0
    assert found.denied.interval is not None
    assert found.denied.interval.high <= 0.1


def test_intervals_are_paired_on_test_inputs():
    """Models that differ on the same inputs everywhere differ by a constant."""
    cases = [case(target, taken=130, unprotected=170) for target in TASKS]
    found = gain_of_taking(cases)
    assert found.target.interval is not None
    assert 15 in found.target.interval
    # 30 of 200 inputs: a binomial share, not the difference of two independent accuracies. Targets
    # that are drawn twice count their inputs' noise twice: its variance grows by 2 - 1/T.
    share, count = 30 / SIZE, len(TASKS)
    spread = np.sqrt(share * (1 - share) / SIZE / count * (2 - 1 / count))
    width = found.target.interval.high - found.target.interval.low
    assert width == pytest.approx(2 * 1.96 * 100 * spread, rel=0.1)


def test_targets_are_drawn_again():
    spread = [case("a", taken=100, unprotected=180), case("b", taken=160, unprotected=180)]
    level = [case("a", taken=130, unprotected=180), case("b", taken=130, unprotected=180)]
    wide, narrow = (gain_of_taking(cases).target.interval for cases in (spread, level))
    assert wide is not None
    assert narrow is not None
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_seeds_of_a_target_are_one_target():
    once = [case("a", taken=120, unprotected=160), case("b", taken=110, unprotected=160)]
    twice = [*once, *(replace(one, seed=1) for one in once)]
    assert gain_of_taking(once) == gain_of_taking(twice)


def test_without_a_gain_to_deny_there_is_no_share():
    cases = [case(target, taken=100, unprotected=90) for target in TASKS]
    found = gain_of_taking(cases)
    assert found.denied is None
    assert found.denied_target is None
    barely = [case(target, taken=100, unprotected=101) for target in TASKS]
    share = gain_of_taking(barely).denied_target
    assert share is not None
    assert share.interval is None  # of the resampled ones, many gain nothing


@pytest.mark.parametrize("right", range(240, 260))
def test_where_gains_and_losses_are_equal_there_is_no_share_either(right: int):
    """Sums of such accuracies differ in their last digits, and a share would be of that."""
    sizes = {"a": 385, "b": 450, "c": 400, "d": 400}

    def models(**right_in: int) -> Mixture:
        return {task: np.arange(size) < right_in.get(task, right) for task, size in sizes.items()}

    one = Case(
        target="a",
        seed=0,
        taken=models(c=right + 20),
        left_out=models(),
        unprotected=models(c=right + 7, d=right - 7),
    )
    assert gain_of_taking([one, replace(one, target="c")]).denied is None


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="no case"):
        gain_of_taking([])
    other = replace(case("a", taken=1, unprotected=1), left_out={"a": np.ones(SIZE, dtype=bool)})
    with pytest.raises(ValueError, match="counts of"):
        gain_of_taking([other])


@pytest.mark.parametrize(
    ("taken", "others", "nothing"), [(160, 100, True), (158, 100, False), (160, 99, False)]
)
def test_nothing_is_denied_if_all_that_an_update_gives_is_gained(taken, others, nothing):
    """Less on the target, or the same at a cost to the others, is something."""
    cases = [case(task, taken=taken, unprotected=160, others=others) for task in TASKS]
    assert gain_of_taking(cases).nothing_denied == nothing


def test_nothing_is_denied_only_if_that_is_sure():
    """More than an unprotected update on two targets and less on the others: more on average."""
    shares = zip(TASKS, (200, 190, 130, 125), strict=True)
    cases = [case(task, taken=taken, unprotected=160) for task, taken in shares]
    found = gain_of_taking(cases)
    assert found.denied is not None
    assert found.denied.value < 0
    assert not found.nothing_denied
