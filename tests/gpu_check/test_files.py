"""What a run writes: a page, lines of numbers, and everything as JSON."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from gpu_record import record

from mergebench.gpu_check.files import HEADER, write_record
from mergebench.gpu_check.goals import goals
from mergebench.gpu_check.notebook import Notebook
from mergebench.gpu_check.page import page
from mergebench.gpu_check.record import KINDS, AlphaTime, Entry, MatrixSpeed, MergeTime, Missed

SECTIONS = {
    "tests": "## Tests marked `gpu`",
    "matrix_products": "## Matrix products",
    "evaluation": "## Evaluation",
    "training": "## Training",
    "tables": "## Table 2 from scratch",
    "not_measured": "## Not measured",
}


def test_the_page_states_shares_of_what_was_measured() -> None:
    text = page(record())
    assert "| vit_l14 | bf16 | 1024 | 1000 | 160 | 32 % |" in text
    assert "| vit_l14 | trap2 | bf16 | 32 | 4 | 16 | 13 % | 12.0 |" in text
    assert "1 passed, 1 failed." in text
    assert "- failed: test_a.py::test_two" in text
    assert "A further alpha on cuda: 1 ms, 1200 GB/s read and written." in text
    assert "| mini_vit | merges | 60 | 117 | 99.5 | 8 |" in text
    assert "# ACME X\\|1 \\<80GB\\>" in text
    assert "1 of 96 sites on cpu were timed" in text
    assert "no evidence" not in text


def test_goals_are_held_against_what_was_measured() -> None:
    """Table 2 is 109 million images at 1000 a second, and merges of which none is on the GPU."""
    text = page(record())
    share = "| evaluation of vit_l14 in bf16, share of matrix products | at least 50 % | 32 % "
    assert f"{share}| **missed** |" in text
    assert "| a further alpha of vit_l14 | at most 3 ms | 1 ms | reached |" in text
    assert "GPU hours" not in text
    on_gpu = record()
    on_gpu.entries += [replace(one, device="cuda") for one in on_gpu.of(MergeTime)]
    hours = 117 * (0.36 * 94.5 * 25_553 + 59_576) / 1000 / 3600
    merging = 9 * (13 * 4.0 + (3 * 4 + 3 * 3 * 4 + 3 * 4)) / 3600
    (goal,) = [one for one in goals(on_gpu) if one.unit == "GPU hours"]
    assert goal.found == pytest.approx(hours + merging)
    assert not goal.reached


def test_a_cpu_has_no_goals() -> None:
    whole = record()
    assert goals(replace(whole, machine=replace(whole.machine, kind="cpu"))) == []


def test_a_share_needs_something_to_be_a_share_of() -> None:
    assert "| vit_l14 | bf16 | 1024 | 1000 | 160 |  |" in page(record(MatrixSpeed))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_what_was_not_measured_has_no_section(kind: type[Entry]) -> None:
    text = page(record(kind))
    for name, section in SECTIONS.items():
        assert (section in text) == (name != kind.kind)
    assert "## Merging" in text
    assert "## Merging" not in page(record(MergeTime, AlphaTime))


def test_every_number_has_a_line(tmp_path: Path) -> None:
    _, lines, whole = write_record(record(), tmp_path, "acme")
    with lines.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert tuple(rows[0]) == HEADER
    found = {(row["kind"], row["subject"], row["quantity"]): float(row["value"]) for row in rows}
    assert found["evaluation", "vit_l14 bf16", "images_per_second"] == 1000
    assert found["merging", "vit_l14 ties@core cpu", "grid"] == 14
    assert found["training", "vit_l14 trap2 bf16", "step_seconds"] == 0.25
    content = json.loads(whole.read_text())
    assert {kind.kind for kind in KINDS} <= set(content)
    assert content["machine"]["memory"] == 80 * 2**30
    assert content["predictions"][0]["backbone"] == "vit_l14"


def test_an_entry_is_on_disk_before_the_next_and_an_error_is_one(tmp_path: Path) -> None:
    said: list[str] = []
    started = record(*KINDS)
    notebook = Notebook(started, tmp_path, said.append)
    assert [file.name for file in notebook.files] == [
        f"acme-x-1-80gb.{ending}" for ending in ("md", "csv", "json")
    ]
    notebook.add(MatrixSpeed(precision="fp32", side=64, flops=1e12))
    assert "| fp32 | 64 | 1 |" in notebook.files[0].read_text()
    with notebook.attempt("merging", "tsv@full on cuda"):
        raise ArithmeticError("no convergence")
    assert started.of(Missed) == [
        Missed(part="merging", what="tsv@full on cuda", why="ArithmeticError: no convergence")
    ]
    assert "ArithmeticError: no convergence" in notebook.files[0].read_text()
    assert said[-1] == "not measured: tsv@full on cuda (ArithmeticError: no convergence)"
    with pytest.raises(KeyboardInterrupt), notebook.attempt("merging", "the rest"):
        raise KeyboardInterrupt
