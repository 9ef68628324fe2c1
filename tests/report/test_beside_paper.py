"""Our numbers beside the paper's: the right ones, only where they are of the same things."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from repository import ROOT
from rich.console import Console

from mergebench.measure.measurements import Context, Measurements, Merged, Standalone
from mergebench.measure.uncertainty import wilson
from mergebench.report import print_table1, print_table2, write_table1, write_table2
from mergebench.report import published_tables as published_module
from mergebench.report.beside_paper import beside_merged, beside_standalone
from mergebench.report.published_tables import published
from mergebench.report.table1 import table1
from mergebench.report.table2 import table2

PAPER = ROOT / "results" / "paper"
COPIES = Path(published_module.__file__).parent / "paper"
TASKS = ("cars", "dtd", "eurosat", "gtsrb", "mnist", "resisc45", "aircraft", "svhn")
CONTEXT = Context(
    command="mergebench table2 --backbone vit_b32",
    date="2026-03-01",
    backbone="vit_b32",
    backbone_sha256="a1" * 32,
    suite="vision8",
    suite_sha256="b2" * 32,
    tasks=TASKS,
    protocol="paper",
    seeds=(0, 1),
    precision="bf16",
    device="cpu",
    versions={},
)


def measurements(tasks: tuple[str, ...] = TASKS, **changes: object) -> Measurements:
    """Return zero-shot 40, 41, ... %; trap2 20, 21, ... % on targets under TA, 50 % unprotected."""
    sizes = dict.fromkeys(tasks, 1000)
    standalone = [
        Standalone(seed=seed, release=release, task=task, correct=correct, size=1000)
        for seed in (0, 1)
        for place, task in enumerate(tasks)
        for release, correct in (("zero_shot", 400 + 10 * place), ("none", 900 + 20 * seed))
    ]
    half = dict.fromkeys(tasks, 500)
    merge = Merged(
        seed=0,
        protection="none",
        target=None,
        attack="ta",
        space="full",
        alpha=0.3,
        options={},
        points=1,
        correct=half,
        sizes=sizes,
    )
    trapped = [
        replace(merge, protection="trap2", target=task, correct={**half, task: 200 + 10 * place})
        for place, task in enumerate(tasks)
    ]
    context = replace(CONTEXT, tasks=tasks, **changes)  # type: ignore[arg-type]
    merged = (merge, *trapped)
    return Measurements(context=context, standalone=tuple(standalone), merged=merged)


@pytest.mark.parametrize("file", sorted(PAPER.glob("*.csv")), ids=lambda file: file.stem)
def test_the_package_has_the_tables_of_results(file):
    assert (COPIES / file.name).read_bytes() == file.read_bytes()
    assert {copy.name for copy in COPIES.iterdir()} == {one.name for one in PAPER.glob("*.csv")}


@pytest.mark.parametrize("number", range(1, 6))
def test_every_published_number_is_found(number):
    frame = pd.read_csv(PAPER / f"table{number}.csv")
    if "row" in frame.columns:
        long = frame.melt(["backbone", "release", "row"], var_name="task", value_name="accuracy")
        keys = ["row", "task"]
    else:
        long, keys = frame, ["protection", "attack", "space"]
    for backbone, own in long.groupby("backbone"):
        expected = own.set_index(keys)["accuracy"].to_dict()
        assert dict(published(number, backbone)) == expected
    assert published(number, "mini_vit") == {}
    assert published(6, "vit_b32") == {}


def test_standalone_numbers_stand_beside_table_1():
    measured = measurements()
    beside = {one.key: one for one in beside_standalone(measured, table1(measured), 1).rows}
    assert len(beside) == 2 * 9
    dtd = beside["zero_shot", "dtd"]
    assert (dtd.ours, dtd.paper) == (41, 44.1)
    assert dtd.difference == pytest.approx(-3.1)
    assert dtd.interval == wilson(410, 1000)
    tuned = beside["fine_tuned", "dtd"]
    assert (tuned.ours, tuned.paper, tuned.interval) == (91, 68.7, wilson(910, 1000))
    average = beside["zero_shot", "average"]
    assert (average.ours, average.paper) == (pytest.approx(43.5), 42.5)
    assert average.interval.low < 43.5 < average.interval.high


@pytest.mark.parametrize(("number", "paper"), [(2, (48.3, 23.1)), (4, (50.0, 28.5))])
def test_merges_stand_beside_their_table(number, paper):
    measured = measurements()
    rows = beside_merged(CONTEXT, table2(measured), number).rows
    assert [one.key[0] for one in rows] == ["unprotected", "trap2"]
    assert tuple(one.paper for one in rows) == paper
    assert [one.ours for one in rows] == [50, pytest.approx(23.5)]
    assert rows[1].interval.low < 23.5 < rows[1].interval.high


def test_averages_over_other_tasks_are_not_compared():
    measured = measurements(TASKS[:3])
    assert not beside_merged(measured.context, table2(measured), 2)
    keys = {one.key for one in beside_standalone(measured, table1(measured), 1).rows}
    assert keys == {(row, task) for row in ("zero_shot", "fine_tuned") for task in TASKS[:3]}


def test_files_and_terminal_show_ours_the_papers_and_the_difference(tmp_path):
    measured = measurements(suite="vision8-partial")
    shown = StringIO()
    console = Console(file=shown, width=200)
    print_table1(measured, console)
    print_table2(measured, console)
    files = [*write_table1(measured, tmp_path), *write_table2(measured, tmp_path)]
    assert {file.name for file in files} >= {"table1_paper.csv", "table2_paper.csv"}
    line = "| Trap², TA Full | 23.5 |"
    text = (tmp_path / "table2.md").read_text()
    assert line in text
    assert text.split(line)[1].split("\n")[0].endswith("| 23.1 | 0.4 |")
    assert "partial data here, so that differences say nothing" in text
    latex = (tmp_path / "table2.tex").read_text()
    assert r"\label{tab:vit_b32-table2-paper}" in latex
    assert "Beside the paper" in (tmp_path / "table1.md").read_text()
    frame = pd.read_csv(tmp_path / "table2_paper.csv")
    assert frame["column"].tolist() == ["ta@full", "ta@full"]
    assert frame["difference"].tolist() == [1.7, 0.4]
    for part in ("ours − paper", "Trap², TA Full", "zero-shot, dtd", "Table 1 of the paper"):
        assert part in shown.getvalue()


def test_embedded_backbones_have_nothing_beside_them(tmp_path):
    measured = measurements(backbone="mini_vit", suite="mini8")
    files = [*write_table1(measured, tmp_path), *write_table2(measured, tmp_path)]
    assert len(files) == 8
    assert not any("paper" in file.name for file in files)
    assert "Beside" not in "".join(file.read_text() for file in files)
