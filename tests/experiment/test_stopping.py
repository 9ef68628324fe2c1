"""The standard set stops where nothing is denied: which attacks are run on which protections."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from types import SimpleNamespace

import pytest
from leaderboard_data import merge
from miniature import LITTLE
from report_data import CONTEXT, TASKS
from rich.console import Console

from mergebench.experiment import Setting, levels, measure_standard_set, stopping
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.standard_set import rounds
from mergebench.measure import Case, Level, Measurements, NotRun
from mergebench.report import write_leaderboard
from mergebench.report.leaderboard import leaderboard
from mergebench.report.leaderboard_text import cells, sentences

LEVELS = (
    Level(knowledge="blind", data="none", attacks=("ta@full", "tsv@full", "tsv@core")),
    Level(knowledge="informed", data="none", attacks=("hold:ta@full",)),
)
YARDSTICKS = ("leave_out:ta@full",)
SHARES: dict[str, float | dict[str, float]] = {
    "none": 0.8,
    "weak": 0.8,
    "trap2": 0.3,
    "checkpoint": 0.3,
}
"""What merges have right with an update of that protection, by attack or whatever the attack;
without it, 0.4."""


@dataclass(frozen=True)
class Planned:
    """An experiment as far as it is asked here."""

    protections: tuple[str, ...]
    attacks: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    target_names: tuple[str, ...] = TASKS
    setting: Setting = LITTLE

    def defined(self, attack: str, protection: str) -> bool:
        return protection != "checkpoint" or not attack.endswith("@core")


@pytest.fixture
def run(monkeypatch):
    """Return what runs the set on protections, and the list of (attacks, protections) it fills."""
    ran: list[tuple[tuple[str, ...], tuple[str, ...]]] = []

    def pairs(plan: Planned, monitor, *, processes, tested):
        assert not tested
        ran.append((plan.attacks, plan.protections))
        for name in plan.attacks:
            left_out = name in YARDSTICKS
            defined = [one for one in plan.protections if plan.defined(name, one)]
            for protection in ("none",) if left_out else ("none", *defined):
                for target in TASKS:
                    own = SHARES[protection]
                    share = 0.4 if left_out else own if isinstance(own, float) else own[name]
                    yield merge(protection, target, name, share, share), None

    monkeypatch.setattr(stopping, "measure_standalone", lambda *given, **options: None)
    monkeypatch.setattr(
        stopping, "measure_pairs", lambda *given, **options: [*pairs(*given, **options)]
    )
    monkeypatch.setattr(
        stopping,
        "with_merges",
        lambda plan, alone, found: (
            Measurements(context=CONTEXT, merged=tuple(row for row, _ in found)),
            [cell for _, cell in found],
        ),
    )

    def measure(*protections: str, known: Sequence[Level] = LEVELS) -> Measurements:
        monitor = Monitor(Console(file=StringIO()))
        plan = Planned(protections)
        return measure_standard_set(plan, known, YARDSTICKS, monitor, processes=1)[0]

    return measure, ran


def test_the_weak_one_is_left_alone_after_the_cheapest(run) -> None:
    measure, ran = run
    measured = measure("weak", "trap2")
    assert ran == [
        (YARDSTICKS, ("weak", "trap2")),
        (("ta@full",), ("weak", "trap2")),
        (("tsv@full", "tsv@core"), ("trap2",)),
        (("hold:ta@full",), ("trap2",)),
    ]
    skipped = ("tsv@full", "tsv@core", "hold:ta@full")
    assert measured.not_run == (NotRun(protection="weak", attacks=skipped, after="ta@full"),)


def test_test_inputs_are_not_asked_where_searches_say_that_something_is_denied(
    run, monkeypatch
) -> None:
    measure, _ = run
    judged: list[int] = []

    def judge(cases: Sequence[Case]) -> SimpleNamespace:
        judged.append(len(cases))
        return SimpleNamespace(nothing_denied=False)

    monkeypatch.setattr(stopping, "gain_of_taking", judge)
    measure("trap2")
    assert judged == []
    measure("weak", "trap2")
    assert judged == [len(TASKS)] * sum(len(rounds(level)) for level in LEVELS)


def test_unprotected_updates_are_attacked_as_long_as_others_are(run) -> None:
    measure, ran = run
    measured = measure("weak")
    assert [names for names, _ in ran] == [YARDSTICKS, ("ta@full",)]
    assert [(one.protection, one.after) for one in measured.not_run] == [
        *(("weak", "ta@full"), ("none", "ta@full")),
    ]


def test_what_an_informed_attacker_has_does_not_end_the_levels_of_blind_ones(
    run, monkeypatch
) -> None:
    """He who does not know which update to hold has to look at data, and is asked for it."""
    measure, ran = run
    shares = {"ta@full": 0.3, "hold:ta@full": 0.8, "regmean@full": 0.4}
    monkeypatch.setitem(SHARES, "held", shares)
    with_data = [
        Level(knowledge=knowledge, data="unlabelled", attacks=(name,))
        for knowledge, name in (("blind", "regmean@full"), ("informed", "distil:ta@full"))
    ]
    blind = Level(knowledge="blind", data="none", attacks=("ta@full",))
    measured = measure("held", known=[blind, LEVELS[1], *with_data])
    assert [names for names, _ in ran] == [
        *(YARDSTICKS, ("ta@full",), ("hold:ta@full",), ("regmean@full",)),
    ]
    assert [(one.protection, one.attacks, one.after) for one in measured.not_run] == [
        *((whose, ("distil:ta@full",), "hold:ta@full") for whose in ("held", "none")),
    ]


@pytest.mark.parametrize("protections", [("trap2",), ()])
def test_all_are_run_where_something_is_denied_or_nothing_judged(run, protections) -> None:
    measure, ran = run
    assert measure(*protections).not_run == ()
    assert sum((names for names, _ in ran), ()) == (
        *YARDSTICKS,
        *(name for level in LEVELS for name in level.attacks),
    )


def test_the_cell_says_so(run, tmp_path) -> None:
    measure, _ = run
    measured = measure("weak", "trap2")
    board = leaderboard(measured, LEVELS, YARDSTICKS)
    last = {(one.protection, one.level.knowledge): cells(board, one)[-1] for one in board.standings}
    assert last["weak", "blind"] == "TA 3; 2 not run: nothing denied after TA"
    assert last["weak", "informed"] == "TA 3; 1 not run: nothing denied after TA"
    assert "not run" not in last["trap2", "blind"] + last["none", "informed"]
    (said,) = [one for one in sentences(board, "images") if "cheap ones first" in one]
    assert "weak (informed, no data): 1 not run: nothing denied after TA" in said
    files = write_leaderboard(
        measured, tmp_path, "board", levels=LEVELS, yardsticks=YARDSTICKS, version=1
    )
    with files[1].open() as lines:
        rows = {(one["protection"], one["knowledge"]): one for one in csv.DictReader(lines)}
    assert rows["weak", "blind"]["not_run"] == "tsv@full tsv@core"
    assert rows["trap2", "blind"]["not_run"] == ""


def test_what_is_not_defined_is_not_run_and_said(run) -> None:
    measure, _ = run
    measured = measure("checkpoint", "trap2")
    (left_out,) = measured.not_run
    assert left_out == NotRun(protection="checkpoint", attacks=("tsv@core",), after=None)
    board = leaderboard(measured, LEVELS, YARDSTICKS)
    last = {one.protection: cells(board, one)[-1] for one in board.standings[:3]}
    assert last["checkpoint"] == "TA 3; 1 not defined for a checkpoint"
    assert "not defined" not in last["trap2"] + last["none"]
    (said,) = [one for one in sentences(board, "images") if "low-rank factors" in one]
    assert "checkpoint (blind, no data): 1 not defined for a checkpoint" in said
    assert not [one for one in sentences(board, "images") if "cheap ones first" in one]


def test_a_weak_checkpoint_is_done_with_after_what_is_defined_for_it(run, monkeypatch) -> None:
    measure, _ = run
    monkeypatch.setitem(SHARES, "checkpoint", 0.8)
    monkeypatch.setattr(
        Planned, "defined", lambda self, attack, whose: whose == "none" or attack != "ta@full"
    )
    found = {(one.attacks, one.after) for one in measure("checkpoint").not_run[:2]}
    assert found == {(("ta@full",), None), (("hold:ta@full",), "tsv@core")}


def test_rounds_are_attacks_with_their_rules_and_spaces_cheap_ones_first() -> None:
    blind, informed = levels("lora")
    assert [names[0] for names in rounds(blind)] == [
        *("ta@full", "tsv@full", "cart@full", "ties@full", "dare_ties@full"),
        *("localize_and_stitch@full", "ram@full"),
    ]
    assert rounds(blind)[1] == ("tsv@full", "tsv@knots", "tsv@core")
    assert rounds(informed)[0] == ("hold:ta@full", "hold:tsv@full")
    (full, _) = levels("full")
    assert rounds(full)[4] == ("dare_ties@full",)
