"""A folder of results as a page: what its files say, and the cell behind every number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from leaderboard_data import LEVELS, MEASURED, YARDSTICKS
from page_data import NAMES
from report_data import CONTEXT, MEASUREMENTS, SIZES, UNPROTECTED
from repository import ROOT

from mergebench.errors import InputError
from mergebench.measure import Cell, CellInputs, CellResults, CellRun
from mergebench.measure.cell import Method
from mergebench.measure.measurements import Measurements
from mergebench.report import write_leaderboard, write_table1, write_table2
from mergebench.report.page import CurvePlot, DotPlot, Number, Page, PageTable, page_text
from mergebench.report.results_page import results_page

RUN = CellRun(seconds=1, finished="2026-03-01T00:00:00+00:00", device="cpu", versions={})


def cell(
    protection: str,
    target: str | None,
    correct: dict[str, int],
    *,
    alpha: float = 0.1,
    **changes: object,
) -> Cell:
    """Return the cell of a merge by TA under the protocol of the tables."""
    inputs = CellInputs(
        backbone=CONTEXT.backbone,
        backbone_sha256=CONTEXT.backbone_sha256,
        suite=CONTEXT.suite,
        suite_sha256=CONTEXT.suite_sha256,
        tasks=CONTEXT.tasks,
        seed=0,
        precision="bf16",
        protection=Method(name=protection, version=1, options={}),
        target=target,
        attack=Method(name="ta", version=1, options={}),
        space=Method(name="full", version=1, options={}),
        protocol={"name": "paper"},
    )
    inputs = replace(inputs, **changes)  # type: ignore[arg-type]
    results = CellResults(
        correct=correct, sizes={"test": SIZES}, alpha=alpha, hits={"digits": "AAA"}
    )
    return Cell(inputs=inputs, results=results, run=RUN)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_table1(MEASUREMENTS, tmp_path)
    write_table2(MEASUREMENTS, tmp_path)
    return tmp_path


def table(page: Page, section: int, place: int = 0) -> PageTable:
    return page.sections[section].tables[place]


def number(found: PageTable, row: int, column: str) -> Number:
    names = [one.name for one in found.columns]
    one = found.rows[row][names.index(column)]
    assert isinstance(one, Number)
    return one


def test_sections_have_titles_words_and_captions_of_their_tables(folder: Path) -> None:
    page = results_page(folder)
    assert [one.title for one in page.sections] == [
        "Table 1: standalone test accuracy in percent",
        "Table 2: accuracy on the target after merging, protocol paper",
    ]
    second = page.sections[1]
    assert second.paragraphs[0].startswith("Test accuracy in percent on the target's task")
    assert not any("|" in one or one.startswith("Command") for one in second.paragraphs)
    assert ("Command", CONTEXT.command) in second.facts
    assert ("Note", "Half of a note & 100 % of it.") in second.facts
    assert [one.folded for one in second.tables] == [False, True]


def test_numbers_are_those_of_the_files(folder: Path) -> None:
    found = table(results_page(folder), 1)
    trapped = number(found, 1, "accuracy %")
    assert (trapped.text, trapped.value) == ("8.00", 8.0)
    assert trapped.interval == f"{trapped.low:.2f} to {trapped.high:.2f}"
    assert "backbone" not in [column.name for column in found.columns]
    assert "backbone mini_vit" in found.note


def test_a_mean_leads_to_its_rows_and_a_row_to_its_command(folder: Path) -> None:
    origin = number(table(results_page(folder), 1), 1, "accuracy %").origin
    assert origin is not None
    assert [part.title for part in origin.parts] == [
        f"TA · Full · Trap² · {task}, seed 0" for task in SIZES
    ]
    assert {part.command for part in origin.parts} == {CONTEXT.command}
    assert ("correct", "20 of 200 test inputs") in origin.parts[0].facts
    assert ("file", "table2_targets.csv, line 5") in origin.parts[0].facts


def test_a_number_of_one_task_leads_to_that_task_alone(folder: Path) -> None:
    found = table(results_page(folder), 0)
    flags, average = (number(found, 1, name).origin for name in ("flags", "average"))
    assert flags is not None
    assert flags.title == "fine-tuned · flags, seed 0"
    assert average is not None
    assert flags in average.parts
    assert len(average.parts) == 3


def test_a_row_leads_to_the_cell_that_has_its_counts(folder: Path) -> None:
    right = cell("trap2", "digits", {"digits": 20, "flags": 40, "kana": 15})
    shared = cell("none", None, dict(UNPROTECTED.correct))
    page = results_page(folder, [right, shared])
    counted = table(page, 1, 1)
    origins = [number(counted, row, "accuracy %").origin for row in range(6)]
    records = [origin.record if origin else "" for origin in origins]
    assert [bool(record) for record in records] == [True, True, True, True, False, False]
    assert ("cell", f"cells/{right.key}.json of the store") in origins[3].facts  # type: ignore[union-attr]
    assert '"target": "digits"' in records[3]
    assert "hits" not in records[3]
    assert ("cell", "not in the store; the command measures it") in origins[4].facts  # type: ignore[union-attr]
    assert page.summary[-1].endswith("of 15 counts 4 have their cell in the store.")


def test_a_merge_that_was_tested_later_leads_to_the_cell_of_its_point(folder: Path) -> None:
    correct = {"digits": 20, "flags": 40, "kana": 15}
    tested = cell("trap2", "digits", correct, protocol={"name": "point", "alpha": 0.1})
    counted = table(results_page(folder, [tested]), 1, 1)
    found = number(counted, 3, "accuracy %").origin
    assert found is not None
    assert ("cell", f"cells/{tested.key}.json of the store") in found.facts


@pytest.mark.parametrize(
    ("correct", "changes"),
    [
        ({"digits": 21, "flags": 40, "kana": 15}, {}),
        ({"digits": 20, "flags": 40, "kana": 14}, {}),
        ({"digits": 20, "flags": 40, "kana": 15}, {"suite_sha256": "00"}),
        ({"digits": 20, "flags": 40, "kana": 15}, {"backbone_sha256": "00"}),
        ({"digits": 20, "flags": 40, "kana": 15}, {"protocol": {"name": "clean"}}),
        ({"digits": 20, "flags": 40, "kana": 15}, {"seed": 1}),
        ({"digits": 20, "flags": 40, "kana": 15}, {"protocol": {"name": "point"}, "alpha": 0.2}),
    ],
    ids=["target", "other-task", "suite", "backbone", "protocol", "seed", "point"],
)
def test_another_cell_is_not_shown_as_the_record(
    folder: Path, correct: dict[str, int], changes: dict[str, object]
) -> None:
    page = results_page(folder, [cell("trap2", "digits", correct, **changes)])
    assert not any(
        one.origin.record
        for row in table(page, 1, 1).rows
        for one in row
        if isinstance(one, Number) and one.origin
    )


def test_tables_have_plots_with_their_intervals(folder: Path) -> None:
    page = results_page(folder)
    alone, merged = (one.plots[0] for one in page.sections)
    assert isinstance(alone, DotPlot)
    assert [one.name for one in alone.series] == ["fine-tuned", "Trap²", "zero-shot"]
    assert isinstance(merged, DotPlot)
    assert merged.reference == (30.0, "zero-shot")
    dot = merged.series[1].dots[0]
    assert (dot.name, dot.value) == ("TA Full", 8.0)
    assert dot.low is not None


def test_the_leaderboard_is_a_section_with_what_is_denied(tmp_path: Path) -> None:
    write_leaderboard(
        MEASURED, tmp_path, "leaderboard", levels=LEVELS, yardsticks=YARDSTICKS, version=1
    )
    page = results_page(tmp_path)
    plot = page.sections[0].plots[0]
    assert isinstance(plot, DotPlot)
    assert [one.name for one in plot.series] == ["Trap²"]
    assert len(plot.series[0].dots) == 2
    assert page_text(page)


@pytest.mark.parametrize("backbone", ["mini_vit", "minilm"])
def test_committed_results_are_pages(backbone: str) -> None:
    page = results_page(ROOT / "results" / backbone)
    numbers = [
        one
        for section in page.sections
        for found in section.tables
        for row in found.rows
        for one in row
        if isinstance(one, Number)
    ]
    assert len(numbers) > 500
    assert all(one.origin and one.origin.command.startswith("mergebench ") for one in numbers)
    assert {section.title.split()[0].rstrip(",") for section in page.sections} <= {
        "Table",
        "Figure",
        "Leaderboard",
        "Mergers",
        "Recovery:",
        "Detection",
        "Scales",
    }


def test_curves_of_a_figure_without_words_have_its_caption() -> None:
    page = results_page(ROOT / "results" / "mini_convnext")
    figure = next(one for one in page.sections if one.title.startswith("Figure 2"))
    assert figure.plots[0].title == "Mean over tasks"
    assert all(
        isinstance(plot, CurvePlot) and len(plot.series[0].marks) == 41 for plot in figure.plots
    )
    assert dict(figure.facts)["Command"].startswith("mergebench figure2 --backbone mini_convnext")


def test_names_from_outside_come_back_as_they_are(tmp_path: Path) -> None:
    """Through every file and into the page: as names of tasks and of the protection."""
    first, *_ = NAMES
    tasks = dict(zip(SIZES, NAMES[1:], strict=True))
    alone = [
        replace(one, task=tasks[one.task], release=first if one.release == "trap2" else one.release)
        for one in MEASUREMENTS.standalone
    ]
    context = replace(CONTEXT, tasks=tuple(tasks.values()), notes=NAMES)
    write_table1(Measurements(context=context, standalone=tuple(alone)), tmp_path)
    page = results_page(tmp_path)
    found = table(page, 0)
    assert [one.name for one in found.columns][1:4] == list(tasks.values())
    assert [row[0] for row in found.rows] == ["zero-shot", "fine-tuned", first]
    assert [value for what, value in page.sections[0].facts if what == "Note"] == list(NAMES)
    assert number(found, 2, "=cmd()").text == "68.00"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "empty"),
        (b"a,b\n1\n", "line 2: 1 values under 2 columns"),
        (b"a,a\n1,2\n", "two columns of one name"),
        (b"a\n\xff\n", "no text in UTF-8"),
        (b'a\n"1\n', "no CSV"),
    ],
)
def test_broken_files_are_named_in_one_line(tmp_path: Path, content: bytes, error: str) -> None:
    (tmp_path / "table1.csv").write_bytes(content)
    with pytest.raises(InputError, match=error) as caught:
        results_page(tmp_path)
    assert "table1.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_of_any_columns_is_shown(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("name,value,seed\nx,1.5,0\ny,,1\n")
    found = table(results_page(tmp_path), 0)
    assert [one.name for one in found.columns] == ["name", "value", "seed"]
    assert number(found, 0, "value").value == 1.5
    assert found.rows[1][1:] == ("", "1")


def test_folders_without_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no table"):
        results_page(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        results_page(tmp_path / "none")
