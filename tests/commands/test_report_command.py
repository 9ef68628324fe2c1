"""`mergebench report`: the page of a folder, and one line for what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import run
from report_data import MEASUREMENTS
from test_make import commands

from mergebench.report import write_table1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_table1(MEASUREMENTS, tmp_path / "results")
    return tmp_path / "results"


def test_a_page_is_written_and_written_again(folder: Path) -> None:
    assert run("report", folder, "--out", "report.html") == 0
    content = Path("report.html").read_bytes()
    assert content.startswith(b"<!DOCTYPE html>")
    assert run("report", folder, "--out", "report.html") == 0
    assert Path("report.html").read_bytes() == content
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["none", "--out", "p.html"], "no folder none"),
        (["results", "--out", "p.txt"], "ends in .html"),
        (["results", "--out", "mine.html"], "not as this command writes it"),
        (["results", "--out", "p.html", "--store", "none"], "--store none: has no folder cells"),
        (["results", "--out", "p.html", "--store", "store"], "damaged"),
    ],
)
def test_wrong_input_is_one_line(
    folder: Path, words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.html").write_text("mine")
    Path("store/cells").mkdir(parents=True)
    Path("store/cells", f"{'ab' * 32}.json").write_text("{}")
    assert run("report", *words) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
    assert not Path("p.html").exists()


def test_make_reports_a_folder_with_the_store_that_was_said() -> None:
    assert commands("report", "BACKBONE=minilm")[-1].split()[1:] == [
        *("report", "results/minilm", "--out", "report-minilm.html")
    ]
    assert commands("report", "STORE=other")[-1].split()[-2:] == ["--store", "other"]
