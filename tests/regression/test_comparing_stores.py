"""Two stores against each other: every measurement has a name of its own, and only those count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mergebench.cli import main
from mergebench.experiment import Store
from mergebench.measure import Cell, CellInputs, CellResults, CellRun, Method
from mergebench.measure.cell import packed

PLAIN = Method(name="none", version=1, options={"recipe": {"steps": 20}})
TIES = Method(name="ties", version=1, options={"top_k": 30.0})
SEARCH = {"name": "paper", "alphas": [0.1, 0.2], "norms": {"mnist": 0.5}}


def inputs(**details: object) -> CellInputs:
    usual = {
        "backbone": "mini_vit",
        "backbone_sha256": "a",
        "suite": "mini8",
        "suite_sha256": "b",
        "tasks": ("mnist",),
        "seed": 0,
        "precision": "fp32",
        "protection": PLAIN,
        "target": "mnist",
        "protocol": {"name": "standalone"},
        "updates": ("c",),
    }
    return CellInputs(**{**usual, **details})


def cell(asked: CellInputs, right: int = 70, finished: str = "2026-01-01") -> Cell:
    """Return a measurement in which the first `right` of 100 test inputs are correct."""
    results = CellResults(
        correct={"mnist": right},
        sizes={"test": {"mnist": 100}},
        hits={"mnist": packed([index < right for index in range(100)])},
    )
    run = CellRun(seconds=1.0, finished=finished, device="cpu", versions={})
    return Cell(inputs=asked, results=results, run=run)


CORE = Method(name="core", version=1, options={})
MEASUREMENTS = {
    "standalone": inputs(),
    "in fp32": inputs(protocol={"name": "stored", "dtype": "fp32"}),
    "in bf16": inputs(protocol={"name": "stored", "dtype": "bf16"}),
    "of longer training": inputs(protection=replace(PLAIN, options={"recipe": {"steps": 40}})),
    "another seed": inputs(seed=1),
    "merged": inputs(attack=TIES, space=CORE, protocol=SEARCH),
    "merged otherwise": inputs(
        attack=replace(TIES, options={"top_k": 20.0}),
        space=CORE,
        protocol=SEARCH,
    ),
    "at a point": inputs(
        attack=TIES,
        space=CORE,
        protocol={"name": "point", "alpha": 0.1},
    ),
}


def store(folder: Path, *cells: Cell) -> Path:
    kept = Store(folder / "cells")
    for one in cells:
        kept.put(one)
    return folder


def check(newer: Path, older: Path, *words: str) -> int:
    return main(["check", "--store", str(newer), "--against", str(older), *words])


@pytest.mark.parametrize("moved", MEASUREMENTS)
def test_whatever_moves_is_seen(moved: str, tmp_path: Path, capsys) -> None:
    older = store(tmp_path / "older", *map(cell, MEASUREMENTS.values()))
    after = {name: cell(asked, 70 - (name == moved)) for name, asked in MEASUREMENTS.items()}
    newer = store(tmp_path / "newer", *after.values())
    assert check(older, older, "--exact") == 0
    assert check(newer, older, "--exact") == 1
    assert "8 measurements: 7 equal, 0 within tolerance, 1 moved." in capsys.readouterr().out


def test_what_may_move_with_numbers_is_no_part_of_a_name(tmp_path: Path, capsys) -> None:
    """Versions, hashes of weights and data, and the norms that a search divided by."""
    asked = MEASUREMENTS["merged"]
    newer = replace(
        asked,
        attack=replace(TIES, version=2),
        updates=("d",),
        backbone_sha256="e",
        protocol={**SEARCH, "norms": {"mnist": 0.6}},
    )
    older = store(tmp_path / "older", cell(asked))
    assert check(store(tmp_path / "newer", cell(newer, 60)), older) == 1
    both = store(tmp_path / "both", cell(newer, 60), cell(asked, finished="2026-02-02"))
    assert check(both, older, "--exact") == 0, "of one name the newest counts"


def test_searches_that_were_not_tested_are_left_out(tmp_path: Path, capsys) -> None:
    asked = MEASUREMENTS["merged"]
    searched = replace(asked, protocol={**SEARCH, "tested": False})
    counted = CellResults(correct={}, sizes={"full": {"mnist": 50}, "test": {"mnist": 100}})
    validated = replace(asked, protocol={"name": "norm"})
    on_validation = CellResults(correct={"mnist": 40}, sizes={"val": {"mnist": 50}})
    others = (
        replace(cell(searched), results=counted),
        replace(cell(validated), results=on_validation),
    )
    folder = store(tmp_path, cell(asked), *others)
    assert check(folder, folder, "--exact") == 0
    assert "1 measurement: 1 equal" in capsys.readouterr().out


def test_what_is_in_one_store_alone_is_said(tmp_path: Path, capsys) -> None:
    cells = [cell(asked) for asked in MEASUREMENTS.values()]
    older, newer = store(tmp_path / "older", *cells[:3]), store(tmp_path / "newer", *cells[2:])
    assert check(newer, older) == 0
    said = "Not compared: 2 of the older store alone, 5 of the newer alone."
    assert said in " ".join(capsys.readouterr().out.split())
