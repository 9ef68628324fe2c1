"""The leaderboard from merges whose answer is known, and its files."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from leaderboard_data import BLIND, INFORMED, LEVELS, MEASURED, MERGES, YARDSTICKS, merge
from report_data import CONTEXT, TASKS

from mergebench.measure import BOUNDS, CounterMerge, Level, Measurements, Theft
from mergebench.measure.cell import packed
from mergebench.report import print_leaderboard, write_leaderboard
from mergebench.report.leaderboard import leaderboard
from mergebench.report.leaderboard_text import sentences
from mergebench.terminal import make_console

ALONE = MEASURED.standalone
CHEAP = merge("trap2", "digits", "ta@full", 0.5, 0.4)
THEFTS = tuple(
    Theft(
        protection=protection,
        target=target,
        seed=0,
        level=level,
        bound=bound,
        # Who has no mixture of Trap² within a point, but for one target, has one within five.
        merged=None if protection == "trap2" and bound == 1 and target != "digits" else CHEAP,
    )
    for protection in ("none", "trap2")
    for level in LEVELS
    for target in TASKS
    for bound in BOUNDS
)


def test_the_attacker_takes_what_validation_says() -> None:
    board = leaderboard(MEASURED, LEVELS, YARDSTICKS)
    found = {(one.protection, one.level.knowledge): one for one in board.standings}
    assert [*found] == [
        *(("none", "blind"), ("trap2", "blind"), ("none", "informed"), ("trap2", "informed"))
    ]
    assert board.left_out.target == pytest.approx(20)  # TA by validation, though worse with TSV
    assert board.left_out.others == pytest.approx(40)
    assert found["trap2", "blind"].chosen == {"tsv@core": 3}  # validation prefers it, test does not
    assert found["trap2", "blind"].accuracies.target == pytest.approx(10)
    assert found["none", "blind"].accuracies.overall == pytest.approx(80)
    # Who knows more may still use what a blind one uses: TSV is the best with plain updates.
    assert found["none", "informed"].chosen == {"tsv@core": 3}
    assert found["trap2", "informed"].chosen == {"hold:ta@full": 3}
    assert board.alone == pytest.approx({"none": 80, "trap2": 78.667, "zero_shot": 30}, abs=1e-3)


def test_finalists_on_all_validation_inputs_are_told_where_searches_see_fewer() -> None:
    def said(measured: Measurements) -> str:
        return " ".join(sentences(leaderboard(measured, LEVELS, YARDSTICKS), "images"))

    assert "finalists" not in said(MEASURED)
    # With all 20 images per task TSV is worse than TA, which 10 of them did not show.
    more = {"tsv@core": 2, "ta@full": 12}
    merges = tuple(
        replace(
            one,
            confirmed=dict.fromkeys(TASKS, more.get(one.name, 4)),
            confirmation_sizes=dict.fromkeys(TASKS, 20),
        )
        for one in MERGES
    )
    measured = replace(MEASURED, merged=merges)
    assert "finalists on all validation images" in said(measured)
    blind = leaderboard(measured, LEVELS, YARDSTICKS).standings[1]
    assert (blind.protection, blind.chosen) == ("trap2", {"ta@full": 3})


def test_what_is_denied() -> None:
    board = leaderboard(MEASURED, LEVELS, YARDSTICKS)
    blind, informed = (one for one in board.standings if one.protection == "trap2")
    assert blind.gain.denied is not None
    assert blind.gain.denied.value == 1
    # 30 and 60 % against 20 and 40 %, where the unprotected merge has 80 %.
    assert informed.gain.denied_target is not None
    assert informed.gain.denied_target.value == pytest.approx(1 - 10 / 60)
    assert informed.gain.overall.value == pytest.approx((10 + 2 * 20) / 3)


def test_a_merge_that_lacks_is_named() -> None:
    lacking = replace(MEASURED, merged=MERGES[:-1])
    with pytest.raises(ValueError, match="hold:ta@full of kana, trap2, seed 0 was not measured"):
        leaderboard(lacking, LEVELS, YARDSTICKS)


def test_what_starts_from_the_base_is_no_protection() -> None:
    """Table 5's row of fine-tuning without any update is measured beside the level that has it."""
    alone = merge("from_base", "kana", "ta@full", 0.9, 0.9)
    board = leaderboard(replace(MEASURED, merged=(*MERGES, alone)), LEVELS, YARDSTICKS)
    assert board == leaderboard(MEASURED, LEVELS, YARDSTICKS)


def test_theft_at_bounded_cost() -> None:
    board = leaderboard(replace(MEASURED, thefts=THEFTS), LEVELS, YARDSTICKS)
    plain, trapped = (one for one in board.standings if one.level == BLIND)
    assert [*plain.bounded] == [1, 5]
    assert (plain.bounded[1].none, trapped.bounded[1].none, trapped.bounded[5].none) == (0, 2, 0)
    # 25 % of one target, of the others what leaving the update out has.
    assert trapped.bounded[1].target.value == pytest.approx((25 + 2 * 20) / 3)
    assert trapped.bounded[1].others.value == pytest.approx((50 + 2 * 40) / 3)
    assert trapped.bounded[1].target.interval is not None
    assert leaderboard(MEASURED, LEVELS, YARDSTICKS).standings[0].bounded == {}


def test_theft_in_files(tmp_path, capsys) -> None:
    parts = {"levels": LEVELS, "yardsticks": YARDSTICKS}
    none = tuple(
        replace(one, merged=None) if one.protection == "trap2" and one.bound == 1 else one
        for one in THEFTS
    )
    measured = replace(MEASURED, thefts=none)
    text, table, tex = write_leaderboard(measured, tmp_path, "board", version=1, **parts)[:3]
    assert "| Trap² | blind, no data | none | – | 3 of 3 | " in text.read_text()
    shown = tex.read_text()
    assert "within 5 & others & none" in shown
    for first, lines in (("gain of taking it &", 4), ("alone &", 4), ("target within 1 &", 4)):
        (body,) = [one for one in shown.split("\\toprule") if f"knows, is given & {first}" in one]
        head, rows = body.partition("\\bottomrule")[0].split("\n\\midrule\n")
        assert head.endswith("\\\\")
        assert len(rows.splitlines()) == lines
        assert {row.count(" & ") for row in rows.splitlines()} == {head.count(" & ")}
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    trapped = rows[1]
    # None: leaving the update out is all that he has.
    assert (trapped["theft_1"], trapped["theft_1_none"]) == ("20.00", "3")
    assert trapped["theft_5_others"] != ""
    print_leaderboard(measured, make_console(), LEVELS, YARDSTICKS)
    assert "leaving the update out is then all that he has" in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_counter_evaluation_replaces_ours_where_validation_prefers_it(tmp_path) -> None:
    def against(level: Level, valid: float) -> Measurements:
        merged = merge("trap2", "kana", "counter:theirs@full", 1.0, valid)
        return replace(MEASURED, counters=(CounterMerge(level=level, merged=merged),))

    def chosen(measured: Measurements) -> list[dict[str, int]]:
        board = leaderboard(measured, LEVELS, YARDSTICKS)
        return [dict(one.chosen) for one in board.standings if one.protection == "trap2"]

    ours = [{"tsv@core": 3}, {"hold:ta@full": 3}]
    mixed = {"hold:ta@full": 2, "counter:theirs@full": 1}
    assert chosen(against(INFORMED, 0.9)) == [ours[0], mixed]
    assert chosen(against(INFORMED, 0.8)) == ours  # as good as ours on validation
    assert chosen(against(BLIND, 0.6)) == [{"tsv@core": 2, "counter:theirs@full": 1}, ours[1]]
    parts = {"levels": LEVELS, "yardsticks": YARDSTICKS, "version": 1}
    text = write_leaderboard(against(INFORMED, 0.9), tmp_path, "board", **parts)[0]
    assert "counter theirs 1" in text.read_text()


def test_files(tmp_path, capsys) -> None:
    parts = {"levels": LEVELS, "yardsticks": YARDSTICKS}
    files = write_leaderboard(MEASURED, tmp_path, "leaderboard", version=1, **parts)
    ends = (".md", ".csv", ".tex", "_targets.csv", ".png", ".svg", "_points.csv")
    assert [file.name for file in files] == [f"leaderboard{end}" for end in ends]
    again = [file.read_bytes() for file in files]
    write_leaderboard(MEASURED, tmp_path, "leaderboard", version=1, **parts)
    assert [file.read_bytes() for file in files] == again
    text = files[0].read_text()
    assert "| Trap² | informed, no data | 78.7 | – | 30.0 | 60.0 | 50.0 |" in text
    assert "hold TA 3" in text
    assert "leaves the update out has 20.0 on the target, 40.0 on the others" in text
    assert "by the merge of the others that is best on validation" in text
    rows = list(csv.DictReader(io.StringIO(files[1].read_text())))
    assert [row["attacks"] for row in rows] == [
        *("tsv@core:3", "tsv@core:3", "tsv@core:3", "hold:ta@full:3")
    ]
    assert rows[3]["denied_target"] == "0.83"
    assert rows[3]["worst_case"] == "1"
    print_leaderboard(MEASURED, make_console(), LEVELS, YARDSTICKS)
    assert "informed, no data" in " ".join(capsys.readouterr().out.split())


def test_damage_and_the_cost_alone_have_columns(tmp_path) -> None:
    hits = {one: packed([place < one.correct for place in range(one.size)]) for one in ALONE}
    measured = replace(MEASURED, standalone=tuple(replace(one, hits=hits[one]) for one in ALONE))
    parts = {"levels": LEVELS, "yardsticks": YARDSTICKS, "version": 1}
    text, table = write_leaderboard(measured, tmp_path, "board", **parts)[:2]
    lines = [line.split(" | ") for line in text.read_text().splitlines() if line.startswith("| ")]
    headings, plain, trapped = lines[0], lines[2], lines[3]
    damage, cost = headings.index("damage"), headings.index("its cost")
    # TSV has 20 % of the others, and who leaves the update out 40 %.
    assert trapped[damage].startswith("-20.0 \\[-")
    assert plain[damage].startswith("40.0 \\[")
    assert (trapped[cost][:7], plain[cost]) == ("-1.3 \\[", "–")
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert (rows[1]["gain_others"], rows[1]["alone_cost"]) == ("-20.00", "-1.33")
    assert float(rows[1]["alone_cost_low_95"]) < -1.33 < float(rows[1]["alone_cost_high_95"])
    assert rows[0]["alone_cost"] == ""


def test_points_of_the_figure(tmp_path) -> None:
    parts = {"levels": LEVELS, "yardsticks": YARDSTICKS, "version": 1}
    thefts = tuple(
        replace(one, merged=None) if one.level == BLIND and one.bound == 1 else one
        for one in THEFTS
    )
    measured = replace(MEASURED, thefts=thefts)
    svg, points = write_leaderboard(measured, tmp_path, "board", **parts)[-2:]
    rows = list(csv.DictReader(io.StringIO(points.read_text())))
    assert [(row["point"], row["protection"], row["knowledge"]) for row in rows] == [
        *(("zero_shot", "", ""), ("left_out", "", "")),
        *(
            (point, protection, level)
            for level in ("blind", "informed")
            for protection in ("unprotected", "trap2")
            for point in ("taken", "theft_1", "theft_5")
            if (point, level) != ("theft_1", "blind")  # never there
        ),
    ]
    taken = next(row for row in rows if row["point"] == "taken" and row["protection"] == "trap2")
    assert (taken["target"], taken["others"]) == ("10.00", "20.00")
    assert rows[1]["target"] == "20.00"
    for label in ("informed, no data", "Trap²", "update left out", "costs at most 1 or 5 points"):
        assert f"<!-- {label} -->" in svg.read_text()
    assert CONTEXT.command in svg.read_text()


def test_every_target_has_a_line(tmp_path) -> None:
    parts = {"levels": LEVELS, "yardsticks": YARDSTICKS, "version": 1}
    measured = replace(MEASURED, thefts=THEFTS)
    file = write_leaderboard(measured, tmp_path, "board", **parts)[3]
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert len(rows) == 2 * len(LEVELS) * len(TASKS)
    one = next(
        row
        for row in rows
        if (row["protection"], row["knowledge"], row["target"]) == ("trap2", "informed", "flags")
    )
    assert (one["attack"], one["space"], one["alpha"]) == ("hold:ta", "full", "0.3")
    # 60 % of all test inputs, half of that on the target, of 200, 100 and 50.
    assert (one["correct"], one["correct_others"], one["correct_all"]) == ("30", "150", "180")
    assert (one["total"], one["total_others"], one["total_all"]) == ("100", "250", "350")
    assert (one["validated"], one["validation_total_all"]) == ("8", "30")
    assert (one["attack_left_out"], one["correct_left_out"]) == ("leave_out:ta", "20")
    assert (one["attack_unprotected"], one["space_unprotected"]) == ("tsv", "core")
    assert (one["correct_unprotected"], one["correct_unprotected_all"]) == ("80", "280")
    assert (one["attack_theft_1"], one["correct_theft_1_all"]) == ("", "")
    assert (one["attack_theft_5"], one["correct_theft_5"]) == ("ta", "50")
    assert (one["digits_correct"], one["kana_correct"]) == ("120", "30")


def test_levels() -> None:
    labelled = Level(knowledge="informed", data="labelled", attacks=())
    assert INFORMED.allows(BLIND)
    assert not BLIND.allows(INFORMED)
    assert labelled.allows(INFORMED)
    assert not INFORMED.allows(labelled)
    assert BLIND.name == "blind, no data"
