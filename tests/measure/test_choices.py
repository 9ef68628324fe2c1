"""What an attacker takes: the finalists by a search's few inputs, and of them by all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from leaderboard_data import merge
from report_data import TASKS

from mergebench.measure import FINALISTS, Choices, Merged

ATTACKS = [f"rule{number}@full" for number in range(FINALISTS + 2)]


def searched(name: str, valid: float, confirmed: float, **changes: object) -> Merged:
    """Return a merge of trap2 that has these shares right of the search's and of all inputs."""
    own = merge("trap2", TASKS[0], name, 0.5, valid)
    counts = {task: round(100 * confirmed) for task in TASKS}
    return replace(own, confirmed=counts, confirmation_sizes=dict.fromkeys(TASKS, 100), **changes)


def chosen(shares: Sequence[tuple[float, float]], **options: object) -> str:
    merges = [searched(name, *own) for name, own in zip(ATTACKS, shares, strict=True)]
    return Choices(merges).taking("trap2", [ATTACKS], TASKS[0], 0, **options).best.name


LUCKY = [(0.9, 0.5), (0.8, 0.7), (0.8, 0.6), (0.7, 0.7), (0.6, 0.9), (0.5, 0.4)]


def test_the_lucky_one_of_a_search_is_not_taken() -> None:
    assert chosen(LUCKY) == ATTACKS[1]


def test_of_equals_the_better_by_its_search_is_taken_then_the_first() -> None:
    even = [(0.7, 0.7), (0.8, 0.7), (0.8, 0.7), (0.7, 0.7), (0.6, 0.9), (0.5, 0.4)]
    assert chosen(even) == ATTACKS[1]


def test_who_is_no_finalist_needs_not_be_confirmed_and_is_not_taken() -> None:
    merges = [searched(name, *own) for name, own in zip(ATTACKS, LUCKY, strict=True)]
    merges[4:] = [replace(one, confirmed={}) for one in merges[4:]]
    choice = Choices(merges).taking("trap2", [ATTACKS], TASKS[0], 0)
    assert [one.name for one in choice.finalists] == ATTACKS[:FINALISTS]
    assert choice.best.name == ATTACKS[1]


def test_a_finalist_that_is_not_confirmed_is_named() -> None:
    merges = [replace(searched(ATTACKS[0], 0.5, 0.5), confirmed={})]
    with pytest.raises(ValueError, match=f"{ATTACKS[0]} of {TASKS[0]}, trap2, seed 0 was not conf"):
        _ = Choices(merges).taking("trap2", [ATTACKS[:1]], TASKS[0], 0).best


def test_more_attacks_to_choose_from_push_nobody_out() -> None:
    """What a level adds has finalists of its own beside those of the levels below."""
    blind, informed = ATTACKS[:1], ATTACKS[1:]
    shares = [(0.5, 0.9), *[(0.9, 0.5)] * len(informed)]
    merges = [searched(name, *own) for name, own in zip(ATTACKS, shares, strict=True)]
    choice = Choices(merges).taking("trap2", [blind, informed], TASKS[0], 0)
    assert [one.name for one in choice.finalists] == [*blind, *informed[:FINALISTS]]
    assert choice.best.name == ATTACKS[0]


def test_merges_of_others_are_finalists_whatever_their_search_saw() -> None:
    others = [searched("counter:theirs@full", 0.0, 0.8)]
    assert chosen(LUCKY, others=others) == "counter:theirs@full"
    weaker = [searched("counter:theirs@full", 1.0, 0.69)]
    assert chosen(LUCKY, others=weaker) == ATTACKS[1]
    elsewhere = [replace(others[0], target=TASKS[1])]
    assert chosen(LUCKY, others=elsewhere) == ATTACKS[1]


def test_what_takes_no_update_is_taken_where_nothing_else_is_there() -> None:
    empty = searched(ATTACKS[0], 0.9, 0.9, empty=True)
    merges = [empty, *(searched(name, 0.4, 0.3) for name in ATTACKS[1:3])]
    taking = Choices(merges).taking
    assert taking("trap2", [ATTACKS[:3]], TASKS[0], 0).best.name == ATTACKS[1]
    assert taking("trap2", [ATTACKS[:1]], TASKS[0], 0).best is empty


def test_w0_may_be_the_best_without_the_update() -> None:
    empty = replace(searched(ATTACKS[0], 0.9, 0.9, empty=True), protection="none")
    other = replace(searched(ATTACKS[1], 0.5, 0.5), protection="none")
    assert Choices([empty, other]).leaving_out(ATTACKS[:2], TASKS[0], 0).best is empty
