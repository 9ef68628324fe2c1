"""Counts against older ones: what moved, what may be chance, and how it is shown."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from mergebench.errors import InputError
from mergebench.measure.cell import packed
from mergebench.measure.uncertainty import paired_interval
from mergebench.regression import (
    Outcome,
    Tolerance,
    Verdict,
    changes,
    junit,
    markdown,
    print_checked,
)
from mergebench.regression.comparing import ALL_TASKS, Checked

TOLERANCE = Tolerance(merges=1.0, training=5.0)


def outcome(right: dict[str, int], size: int = 1000, **details) -> Outcome:
    """The first `right` images of every task are correct."""
    hits = {task: packed((np.arange(size) < count).tolist()) for task, count in right.items()}
    return Outcome(correct=right, sizes=dict.fromkeys(right, size), hits=hits, **details)


def only_change(before: Outcome, after: Outcome, **options):
    (change,) = changes({"a": before}, {"a": after}, TOLERANCE, **options)
    return change


def test_equal_counts_are_equal():
    change = only_change(outcome({"x": 700, "y": 500}), outcome({"x": 700, "y": 500}))
    assert (change.verdict, change.difference) == (Verdict.EQUAL, 0)


def test_the_task_that_moved_most_is_named():
    change = only_change(outcome({"x": 700, "y": 500}), outcome({"x": 705, "y": 400}))
    assert (change.verdict, change.task, change.counts) == (Verdict.MOVED, "y", (500, 400, 1000))
    assert change.difference == pytest.approx(-10)
    assert change.interval.high < -1


def test_small_differences_are_within_tolerance_unless_asked_exactly():
    before, after = outcome({"x": 700}), outcome({"x": 709})
    assert only_change(before, after).verdict is Verdict.WITHIN
    assert only_change(before, after, exact=True).verdict is Verdict.MOVED


def test_a_difference_that_may_be_chance_has_not_moved():
    """20 images more in the one half and 5 fewer in the other: 1.5 points, p about .004."""
    before = np.arange(1000) < 500
    after = before.copy()
    after[500:520], after[:5] = True, False
    outcomes = [
        Outcome(correct={"x": int(own.sum())}, sizes={"x": 1000}, hits={"x": packed(own.tolist())})
        for own in (before, after)
    ]
    (alone,) = changes({"a": outcomes[0]}, {"a": outcomes[1]}, TOLERANCE)
    names = [f"cell {index}" for index in range(40)]
    among_many = changes(
        dict.fromkeys(names, outcomes[0]), dict.fromkeys(names, outcomes[1]), TOLERANCE
    )
    assert alone.verdict is Verdict.MOVED
    assert {change.verdict for change in among_many} == {Verdict.WITHIN}


def test_trained_outcomes_have_their_own_tolerance():
    before, after = outcome({"x": 700}, trained=True), outcome({"x": 660}, trained=True)
    assert only_change(before, after).verdict is Verdict.WITHIN
    assert only_change(replace(before, trained=False), after).verdict is Verdict.MOVED


def test_all_tasks_together_can_move_where_none_does_alone():
    tasks = [f"task {index}" for index in range(8)]
    before, after = (outcome(dict.fromkeys(tasks, count)) for count in (500, 505))
    strict = Tolerance(merges=0.4, training=5)
    (together,) = changes({"a": before}, {"a": after}, strict)
    assert (together.verdict, together.task) == (Verdict.MOVED, ALL_TASKS)
    (alone,) = changes({"a": outcome({"x": 500})}, {"a": outcome({"x": 505})}, strict)
    assert alone.verdict is Verdict.WITHIN


def test_other_inputs_cannot_be_compared():
    with pytest.raises(InputError, match="1000 test inputs before, 900 after"):
        only_change(outcome({"x": 700}), outcome({"x": 700}, size=900))
    with pytest.raises(InputError, match="no measurement in common"):
        changes({"a": outcome({"x": 1})}, {"b": outcome({"x": 1})}, TOLERANCE)


def test_the_paired_interval_is_that_of_a_sign_test():
    first = np.array([True] * 10 + [False] * 90)
    second = np.array([False] * 10 + [True] * 30 + [False] * 60)
    interval = paired_interval(first, second)
    assert 20 in interval
    assert interval.low > 0
    back = paired_interval(second, first)
    assert (back.low, back.high) == pytest.approx((-interval.high, -interval.low))
    assert paired_interval(first, first) == paired_interval(second, second)


def test_outputs_name_what_moved(capsys):
    moved = only_change(
        outcome({"x": 700}, alpha=0.3, options={"top_k": 20}), outcome({"x": 600}, alpha=0.1)
    )
    equal = only_change(outcome({"x": 1}), outcome({"x": 1}))
    checked = Checked(changes=(replace(equal, name="b"), moved))
    print_checked(checked, Console(width=200))
    shown = capsys.readouterr().out
    for text in (shown, markdown(checked)):
        assert "700/1000 (alpha 0.3, top_k 20)" in text
        assert "600/1000 (alpha 0.1)" in text
        assert "2 measurements: 1 equal, 0 within tolerance, 1 moved." in text
    suite = ElementTree.fromstring(junit(checked))
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.find("failure") is not None for case in suite] == [False, True]


def test_what_vanished_is_a_failure_that_every_output_names(capsys):
    equal = only_change(outcome({"x": 1}), outcome({"x": 1}))
    checked = Checked(changes=(equal,), vanished=("cart@core of flags trap2",))
    assert not checked.passed
    print_checked(checked, Console(width=200))
    said = "cart@core of flags trap2 is of the baseline, and was not measured"
    for text in (capsys.readouterr().out, markdown(checked).replace("\\", "")):
        assert said in text
    assert ElementTree.fromstring(junit(checked)).get("failures") == "1"
