"""Whatever fails in a run is named, and all the rest is measured and on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from gpu_record import MACHINE, entries

from mergebench.gpu_check import SIZES, Asked, Notebook, Record, TableInputs, check_gpu, running
from mergebench.gpu_check.record import (
    AlphaTime,
    Entry,
    EvaluationSpeed,
    MatrixSpeed,
    MergeTime,
    Outcome,
    TableRun,
)
from mergebench.gpu_check.sizes import TINY

STEPS = {
    "run_gpu_tests": (Outcome, "tests"),
    "matrix_speed": (MatrixSpeed, "speeds"),
    "measure_backbone": (EvaluationSpeed, "speeds"),
    "alpha_time": (AlphaTime, "merging"),
    "merge_columns": (MergeTime, "merging"),
    "merge_time": (MergeTime, "merging"),
    "table_runs": (TableRun, "tables"),
}


def entry(kind: type[Entry]) -> Entry:
    return next(one for one in entries() if isinstance(one, kind))


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """The notebook of a run in which every step gives an entry at once."""
    several = {"run_gpu_tests", "table_runs"}
    for step, (kind, _) in STEPS.items():
        found: Any = [entry(kind)] if step in several else entry(kind)
        monkeypatch.setattr(running, step, lambda *given, found=found: found)
    monkeypatch.setattr(running, "merge_columns", lambda: ("ta@full",))
    monkeypatch.setattr(
        running, "measure_backbone", lambda *given: given[3].add(entry(EvaluationSpeed))
    )
    return Notebook(Record(machine=MACHINE, size="tiny", budget=60), tmp_path, lambda line: None)


def run(notebook: Notebook) -> dict[str, Any]:
    tables = ((TableInputs(backbone="mini_vit", device="cpu"), SIZES["tiny"].table),)
    check_gpu(
        Asked(size=TINY, device=torch.device("cpu"), seconds=60, tables=tables),  # type: ignore[arg-type]
        notebook,
    )
    content: dict[str, Any] = json.loads(notebook.files[-1].read_text())
    return content


def test_nothing_fails(notebook: Notebook) -> None:
    content = run(notebook)
    assert [one["what"] for one in content["not_measured"]] == ["the rest of table 2 of mini_vit"]
    assert all(content[kind.kind] for kind, _ in STEPS.values())


@pytest.mark.parametrize("step", STEPS)
def test_one_step_fails(step: str, notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(running, step, broken)
    content = run(notebook)
    kind, part = STEPS[step]
    named = [one for one in content["not_measured"] if one["why"].startswith("RuntimeError: CUDA")]
    assert {one["part"] for one in named} == {part}
    assert content[kind.kind] == []
    for other, _ in STEPS.values():
        assert content[other.kind] or other is kind
