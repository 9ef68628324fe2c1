"""`mergebench pack` and `unpack`: what they say, and one line for what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import run

from mergebench.experiment.store import Store
from mergebench.measure import Cell, CellInputs, CellResults, CellRun

INPUTS = CellInputs(
    backbone="toy",
    backbone_sha256="a" * 64,
    suite="mini8",
    suite_sha256="b" * 64,
    tasks=("mnist",),
    seed=0,
    precision="fp32",
)
CELL = Cell(
    inputs=INPUTS,
    results=CellResults(correct={"mnist": 3}, sizes={"test": {"mnist": 4}}),
    run=CellRun(seconds=1.0, finished="2026-11-28T00:00:00+00:00", device="cpu", versions={}),
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Store(tmp_path / "runs" / "cells").put(CELL)
    return tmp_path / "runs"


def test_a_store_is_packed_and_unpacked(store: Path, capsys) -> None:
    assert run("pack", "measured.tar.xz", "--backbone", "toy") == 0
    assert "1 cell and the records of 0 trainings" in capsys.readouterr().out
    assert run("unpack", "measured.tar.xz", "--store", "other") == 0
    assert "1 were not in other" in capsys.readouterr().out
    assert {file.name for file in Path("other/cells").iterdir()} == {
        file.name for file in Path("runs/cells").iterdir()
    }


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["pack", "mine.tar.xz", "--backbone", "toy"],
            "archive mine.tar.xz: is there already, and not as this command writes it: choose "
            "another name\n",
        ),
        (["pack", "p.xz", "--backbone", "toy"], "archive p.xz: expected a name that ends in .tar"),
        (["pack", "new.tar.xz", "--backbone", "mini_vitt"], "unknown backbone 'mini_vitt'; did yo"),
        (["pack", "new.tar.xz"], "no measurement of mini_vit"),
        (["unpack", "none.tar.xz"], "none.tar.xz is missing"),
        (["unpack", "mine.tar.xz"], "mine.tar.xz is no archive of measurements"),
    ],
)
def test_what_cannot_be_is_one_line(store: Path, words: list[str], line: str, capsys) -> None:
    Path("mine.tar.xz").write_text("mine")
    assert run(*words) == 2
    assert line in capsys.readouterr().err
    assert Path("mine.tar.xz").read_text() == "mine"
