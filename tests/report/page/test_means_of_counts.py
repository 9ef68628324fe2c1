"""A mean on a page leads to the counts it is made of; every other number to its table."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import fmean

import pytest
from leaderboard_data import LEVELS, MEASURED, YARDSTICKS
from report_data import MEASUREMENTS, SIZES, TARGETED
from repository import ROOT

from mergebench.report import write_leaderboard, write_mergers, write_table1, write_table2
from mergebench.report.page import Number, Origin, Page, PageTable
from mergebench.report.results_page import results_page

FOLDERS = sorted({file.parent.name for file in ROOT.glob("results/*/*_targets.csv")})
MEAN = re.compile(r"(?P<about>.+): ((?P<what>.+), )?mean over (?P<number>\d+) (counts|merges)")
COUNTS = re.compile(r"(\d+) of (\d+) test inputs")
MEANS = {"accuracy %", "other tasks %", "all tasks %", "mean α", "average", "target"}


def numbers(table: PageTable) -> Iterator[tuple[str, Number, Origin]]:
    """Yield the numbers of a table with their column and origin."""
    for row in table.rows:
        for column, one in zip(table.columns, row, strict=True):
            if isinstance(one, Number):
                assert one.origin is not None
                yield column.name, one, one.origin


def origins(table: PageTable, column: str) -> list[Origin]:
    return [origin for name, _, origin in numbers(table) if name == column]


def titles(origin: Origin) -> list[str]:
    return [part.title for part in origin.parts]


def stated(part: Origin, what: str | None) -> float:
    """Return what a part says of itself; its accuracy, from its counts, if that is not named."""
    facts = dict(part.facts)
    if what is not None:
        return float(facts[what])
    found = COUNTS.fullmatch(facts["correct"])
    assert found is not None
    return 100 * int(found[1]) / int(found[2])


@cache
def committed(folder: str) -> Page:
    return results_page(ROOT / "results" / folder)


@pytest.mark.parametrize("folder", FOLDERS)
def test_means_of_committed_results_are_the_means_of_their_parts(folder: str) -> None:
    found = set()
    for section in committed(folder).sections:
        for column, number, origin in (one for table in section.tables for one in numbers(table)):
            if not origin.parts:
                continue
            title = MEAN.fullmatch(origin.title)
            assert title is not None
            assert int(title["number"]) == len(origin.parts)
            parts = [stated(part, title["what"]) for part in origin.parts]
            rounded = 0.005 if title["what"] in (None, "α") else 0.01
            assert fmean(parts) == pytest.approx(number.value, abs=rounded + 1e-9), origin.title
            about = set(title["about"].split(" · "))
            assert all(about < set(re.split(" · |, seed ", one)) for one in titles(origin))
            found.add(column)
    assert found >= {"accuracy %", "other tasks %", "all tasks %", "mean α"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_mean_of_committed_tables_has_its_counts(folder: str) -> None:
    """None is taken for another number because of how it was rounded."""
    counted = [
        one
        for one in committed(folder).sections
        if any(table.caption.startswith("Counts") for table in one.tables)
    ]
    means = [
        origin
        for section in counted
        for column, _, origin in numbers(section.tables[0])
        if column in MEANS
    ]
    assert len(means) > 10
    assert all(len(origin.parts) > 1 for origin in means)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    write_leaderboard(
        MEASURED, folder, "leaderboard", levels=LEVELS, yardsticks=YARDSTICKS, version=1
    )
    return folder


def test_a_leaderboard_leads_to_the_merges_of_its_level(board: Path) -> None:
    table = results_page(board).sections[0].tables[0]
    informed = origins(table, "target")[3]
    assert informed.title == "Trap² · informed · none: mean over 3 counts"
    assert titles(informed) == [
        f"hold TA · Full · Trap² · informed · none · {task}, seed 0" for task in SIZES
    ]
    assert [dict(part.facts)["accuracy %"] for part in informed.parts] == ["30.00"] * 3


def test_what_is_no_mean_of_what_was_taken_leads_to_the_leaderboard(board: Path) -> None:
    table = results_page(board).sections[0].tables[0]
    others = [origin for column, _, origin in numbers(table) if column != "target"]
    assert {"alone", "left out target", "gain", "denied"} <= {one.name for one in table.columns}
    assert {origin.title for origin in others} == {"Leaderboard, worst case 1"}


def test_a_theft_of_equal_accuracy_is_not_what_was_taken(board: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(board, tmp_path / "board")
    points = folder / "leaderboard_points.csv"
    lines = points.read_text().splitlines()
    points.write_text("\n".join([*lines, lines[-1].replace("taken", "theft_1")]) + "\n")
    table = results_page(folder).sections[0].tables[1]
    taken, theft = origins(table, "target")[-2:]
    assert len(taken.parts) == 3
    assert not theft.parts


def test_a_ranking_leads_to_the_counts_of_each_protection_alone(tmp_path: Path) -> None:
    capped = [
        replace(one, protection="trap2_capped", correct=dict.fromkeys(SIZES, 30))
        for one in TARGETED
    ]
    write_mergers(
        replace(MEASUREMENTS, merged=(*MEASUREMENTS.merged, *capped)), tmp_path, "mergers"
    )
    table = results_page(tmp_path).sections[0].tables[0]
    found = {column: (number.text, origin) for column, number, origin in numbers(table)}
    for column, text, title, name in (
        ("all tasks %", "40.00", "all tasks %, mean over 3 merges", "unprotected"),
        ("mean α", "0.3000", "α, mean over 3 merges", "unprotected"),
        ("trap2_target", "8.00", "mean over 3 counts", "Trap²"),
        ("trap2_capped_target", "35.00", "mean over 3 counts", "Trap², capped"),
        ("trap2_others", "40.00", "other tasks %, mean over 3 merges", "Trap²"),
    ):
        shown, origin = found[column]
        assert (shown, origin.title) == (text, f"TA · Full · {name}: {title}")
        assert titles(origin) == [f"TA · Full · {name} · {task}, seed 0" for task in SIZES]
    assert not found["trap2_rank"][1].parts
    assert not found["trap2_difference"][1].parts


def test_a_number_that_its_counts_do_not_give_leads_to_its_table(tmp_path: Path) -> None:
    write_table2(MEASUREMENTS, tmp_path)
    file = tmp_path / "table2.csv"
    before = results_page(tmp_path).sections[0]
    file.write_text(file.read_text().replace(",8.00,", ",8.01,", 1))
    after = results_page(tmp_path).sections[0]
    assert [len(one.parts) for one in origins(before.tables[0], "accuracy %")] == [3, 3]
    assert [len(one.parts) for one in origins(after.tables[0], "accuracy %")] == [3, 0]
    assert origins(after.tables[0], "accuracy %")[1].title == after.title


def test_a_model_written_in_several_dtypes_is_not_a_mean_over_them(tmp_path: Path) -> None:
    write_table1(MEASUREMENTS, tmp_path)
    header, *lines = (tmp_path / "table1_tasks.csv").read_text().splitlines()
    stored = [f"{header},dtype", *(f"{line},{name}" for line in lines for name in ("fp32", "bf16"))]
    (tmp_path / "table1_stored.csv").write_text("\n".join(stored) + "\n")
    table = results_page(tmp_path).sections[0].tables[0]
    assert [len(one.parts) for one in origins(table, "average")] == [3, 3, 3]
    assert {dict(one.facts)["file"][:16] for one in origins(table, "flags")} == {"table1_tasks.csv"}


def test_numbers_beside_the_papers_lead_to_their_table(tmp_path: Path) -> None:
    write_table2(MEASUREMENTS, tmp_path)
    beside = "backbone,row,column,ours,low_95,high_95,paper,difference\n"
    (tmp_path / "table2_paper.csv").write_text(f"{beside}mini_vit,trap2,ta@full,8.0,7,9,7.5,0.5\n")
    table = results_page(tmp_path).sections[0].tables[1]
    assert {dict(origin.facts)["file"] for _, _, origin in numbers(table)} == {"table2_paper.csv"}


@pytest.mark.parametrize("counts", ["0,0", ",", "x,y"])
def test_rows_without_counts_are_shown(tmp_path: Path, counts: str) -> None:
    (tmp_path / "table1.csv").write_text("row,average\nnone,50\n")
    (tmp_path / "table1_tasks.csv").write_text(f"row,task,seed,correct,total\nnone,a,0,{counts}\n")
    section = results_page(tmp_path).sections[0]
    assert origins(section.tables[0], "average")[0].title == section.title
