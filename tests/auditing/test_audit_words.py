"""What an audit says is no surer than its numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mergebench.auditing.record import Accuracy, AuditedMerge, Outcome, PeerRecord
from mergebench.auditing.words import notes, share, verdict
from mergebench.measure import Estimate, Interval

PEERS = (PeerRecord(label="a", kind="given", sha256="0", norm=1.0),)
SURE = Estimate(value=20.0, interval=Interval(low=10.0, high=30.0))
GIVEN = {"known": False, "plain": False, "gain_alone": SURE, "validation": 100, "test": 100}


def outcome(kept: Estimate, denied: Estimate | None = None) -> Outcome:
    return Outcome(
        knowledge="blind",
        attack="ta@full",
        alpha=0.3,
        accuracy=Accuracy(correct=6, size=10, percent=60.0, low_95=31.3, high_95=83.2),
        gain=Estimate(value=10.0, interval=Interval(low=-10.0, high=30.0)),
        kept=kept,
        denied=denied,
    )


def told(one: Outcome) -> str:
    return " ".join(notes(PEERS, (), (one, one), **GIVEN))


def test_a_share_without_an_interval_says_so():
    bare = Estimate(value=0.6, interval=None)
    around = Estimate(value=0.6, interval=Interval(low=0.4, high=0.9))
    assert share(bare) == "60 % (no interval)"
    assert share(around) == "60 % (40 to 90 %)"
    assert share(None) == "-"
    said = verdict("t", SURE, PEERS, *[outcome(bare)] * 3)
    whole = "what it gains alone over what is merged without it; "
    assert f"keeps 60 % (no interval) of {whole}" in said
    assert "it may be chance" in told(outcome(bare))
    assert "it may be chance" not in told(outcome(around))


@pytest.mark.parametrize("low", [-0.4, -0.9])
def test_no_less_than_the_twin_has_its_interval(low):
    kept = Estimate(value=1.1, interval=Interval(low=0.9, high=1.3))
    one = outcome(kept, Estimate(value=-0.2, interval=Interval(low=low, high=0.3)))
    said = verdict("t", SURE, PEERS, one, one, one, plain=True)
    assert f"no less than its plain twin (denied: -20 % ({100 * low:.0f} to 30 %))" in said


def test_what_holding_gives_is_said_where_the_mean_over_tasks_does_not_ask_for_it():
    none = Estimate(value=0.0, interval=Interval(low=0.0, high=0.0))
    whole = Estimate(value=1.0, interval=Interval(low=0.9, high=1.1))
    cost = Estimate(value=-3.0, interval=Interval(low=-4.0, high=-2.0))
    blind = replace(outcome(none), others=cost)
    held = replace(outcome(whole), attack="hold:ta@full", others=cost)
    said = verdict("t", SURE, PEERS, blind, blind, held)
    assert "holding it at its nominal scale gives 100 % (90 to 110 %), for -3.0 points" in said
    assert said.endswith("which is no better than merging it blindly over all tasks.")
    assert verdict("t", SURE, PEERS, blind, held, held).endswith(
        "points (-4.0 to -2.0) on the other tasks."
    )


@pytest.mark.parametrize(
    ("validation", "test", "words"),
    [
        (30, 20, ()),
        (29, 20, ("29 validation inputs",)),
        (30, 19, ("19 test inputs",)),
        (3, 3, ("3 test inputs", "3 validation inputs")),
    ],
)
def test_few_inputs_are_said(validation, test, words):
    few = notes(PEERS, (), (), **GIVEN | {"validation": validation, "test": test})
    said = [line for line in few if line.startswith("There are ")]
    assert len(said) == len(words)
    assert all(word in line for word, line in zip(words, said, strict=True))


@pytest.mark.parametrize("doubts", [(), ("smallest relative gap 1e-09 (below 0.0001)",)])
def test_merges_in_which_rounding_decides_are_named(doubts):
    merges = [
        AuditedMerge(
            attack=attack,
            knowledge="blind",
            of="adapter",
            alpha=0.3,
            validation=50.0,
            own_share=0.3,
            peers_share=0.3,
            accuracy={},
            doubts=doubts if "tsv" in attack else (),
        )
        for attack in ("ta@full", "tsv@full", "hold:tsv@full")
    ]
    said = " ".join(notes(PEERS, merges, (), **GIVEN))
    assert ("Merged by tsv@full, hold:tsv@full, updates have" in said) == bool(doubts)
    assert ("rounding decides which directions are merged: smallest" in said) == bool(doubts)
