"""What makes a place on the leaderboard unreliable is marked and counted."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from leaderboard_data import BLIND, INFORMED, LEVELS, MEASURED, MERGES, YARDSTICKS, merge
from report_data import TASKS

from mergebench.measure import EDGE, NORM, UNFAITHFUL, Level, Measurements
from mergebench.measure.cell_warnings import CellWarning
from mergebench.report import write_leaderboard
from mergebench.report.leaderboard import leaderboard

UNLABELLED = Level(knowledge="blind", data="unlabelled", attacks=("regmean@full",))


def flags(measured: Measurements, *levels: Level) -> list[dict[str, int]]:
    """Return the flags of Trap² by level."""
    board = leaderboard(measured, levels, YARDSTICKS)
    return [dict(one.flags) for one in board.standings if one.protection == "trap2"]


def with_warnings(name: str, *kinds: str) -> Measurements:
    found = tuple(CellWarning(kind=kind, detail="") for kind in kinds)
    return replace(
        MEASURED,
        merged=tuple(
            replace(one, warnings=found) if (one.name, one.target) == (name, "flags") else one
            for one in MERGES
        ),
    )


def test_warnings_of_what_is_taken_are_flags() -> None:
    assert flags(with_warnings("hold:ta@full", EDGE, NORM), *LEVELS) == [{}, {EDGE: 1, NORM: 1}]
    assert flags(with_warnings("ta@full", EDGE), *LEVELS) == [{}, {}]  # nobody takes it


def test_a_far_larger_update_is_flagged() -> None:
    def sized(trapped: float) -> Measurements:
        norms = {"none": 1.0, "trap2": trapped}
        alone = tuple(replace(one, norm=norms.get(one.release)) for one in MEASURED.standalone)
        return replace(MEASURED, standalone=alone)

    assert flags(sized(1.9), BLIND) == [{}]
    assert flags(sized(2.1), BLIND) == [{"update far larger": len(TASKS)}]
    assert flags(MEASURED, BLIND) == [{}]  # norms that nobody asked for


def test_an_update_that_does_not_reproduce_its_training_is_flagged() -> None:
    doubt = (CellWarning(kind=UNFAITHFUL, detail=""),)
    alone = tuple(
        replace(one, warnings=doubt if (one.release, one.task) == ("trap2", "kana") else ())
        for one in MEASURED.standalone
    )
    assert flags(replace(MEASURED, standalone=alone), BLIND) == [{UNFAITHFUL: 1}]


def test_data_that_are_no_help_are_flagged() -> None:
    def fitted(valid: float) -> Measurements:
        more = tuple(
            merge(protection, None if protection == "none" else task, "regmean@full", 0.5, valid)
            for protection in ("none", "trap2")
            for task in TASKS
        )
        return replace(MEASURED, merged=(*MERGES, *more))

    assert flags(fitted(0.9), BLIND, UNLABELLED) == [{}, {}]
    assert flags(fitted(0.1), BLIND, UNLABELLED) == [{}, {"data are no help": len(TASKS)}]


def test_marks_have_a_legend(tmp_path) -> None:
    parts = {"levels": LEVELS, "yardsticks": YARDSTICKS, "version": 1}
    text, table = write_leaderboard(
        with_warnings("hold:ta@full", EDGE, NORM), tmp_path, "board", **parts
    )[:2]
    (line,) = (one for one in text.read_text().splitlines() if "| Trap² | informed" in one)
    assert "| e,n | " in line
    assert "the best α is the smallest or largest of its grid: 1 of 3 (Trap²; informed, no" in (
        text.read_text()
    )
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [row["flags"] for row in rows] == ["", "", "", "alpha at the edge; norm out of range"]
    assert INFORMED.knowledge == rows[3]["knowledge"]
