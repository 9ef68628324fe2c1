"""`mergebench pack` and `unpack`: what they say, and one line for what cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import run

from mergebench.experiment.store import Store
from mergebench.measure import Cell, CellInputs, CellResults, CellRun, sha256_of

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


def test_an_archive_is_of_one_backbone(store: Path, capsys) -> None:
    assert run("pack", "measured.tar.xz", "--backbone", "toy") == 0
    before = Path("measured.tar.xz").read_bytes()
    Store(store / "cells").put(replace(CELL, inputs=replace(INPUTS, backbone="other")))
    capsys.readouterr()
    assert run("pack", "measured.tar.xz", "--backbone", "other") == 2
    assert capsys.readouterr().err == (
        "mergebench: measured.tar.xz holds measurements of toy, and an archive is of one backbone: "
        "pack other into another file\n"
    )
    assert Path("measured.tar.xz").read_bytes() == before


def put_record(store: Path, folder: str, update: str) -> None:
    """Write the record of a training whose update has this hash."""
    record = {"format": 2, "backbone": "a" * 64, "update_sha256": update}
    place = store / "releases" / folder
    place.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**record, "sha256": sha256_of(record)})
    (place / "record.json").write_text(text)


def test_an_update_is_not_packed_over_another_one(store: Path, capsys) -> None:
    names = [f"mnist-{one}" for one in "abcde"]
    for name in names:
        put_record(store, name, "1")
    assert run("pack", "measured.tar.xz", "--backbone", "toy") == 0
    before = Path("measured.tar.xz").read_bytes()
    for name in names[1:]:
        put_record(store, name, "2")
    capsys.readouterr()
    assert run("pack", "measured.tar.xz", "--backbone", "toy") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        "another update than measured.tar.xz in 4 folders (mnist-b, mnist-c, mnist-d, ...)" in line
    )
    assert "pack into a new one, or unpack it into an empty store" in line
    assert Path("measured.tar.xz").read_bytes() == before
    assert run("pack", "other.tar.xz", "--backbone", "toy") == 0
    assert run("unpack", "other.tar.xz", "--store", "empty") == 0
    assert run("unpack", "measured.tar.xz", "--store", "empty") == 0
    assert "empty has another update in 4 folders, such as mnist-b" in capsys.readouterr().err


def test_counts_are_not_packed_over_others(store: Path, capsys) -> None:
    cells = Store(store / "cells")
    assert run("pack", "measured.tar.xz", "--backbone", "toy") == 0
    before = Path("measured.tar.xz").read_bytes()
    cells.put(replace(CELL, run=replace(CELL.run, seconds=2.0)))  # measured again, and alike
    assert run("pack", "measured.tar.xz", "--backbone", "toy") == 0
    assert Path("measured.tar.xz").read_bytes() == before
    cells.put(replace(CELL, results=replace(CELL.results, correct={"mnist": 2})))
    capsys.readouterr()
    assert run("pack", "measured.tar.xz", "--backbone", "toy") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"other results than measured.tar.xz in 1 cell ({CELL.key[:12]}...)" in line
    assert Path("measured.tar.xz").read_bytes() == before
    content = cells.path(CELL.key).read_bytes()
    assert run("unpack", "measured.tar.xz", "--store", str(store)) == 0
    said = f"has other results in 1 cell, such as {CELL.key[:12]}"
    assert said in capsys.readouterr().err
    assert cells.path(CELL.key).read_bytes() == content
