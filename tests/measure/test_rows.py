"""Rows of tables, of cells."""

from __future__ import annotations

import pytest
import torch

from attacks.hold import Hold
from attacks.ram import Ram
from attacks.task_arithmetic import TaskArithmetic
from mergebench.contracts import Attack
from mergebench.measure import Cell, CellRun, Method
from mergebench.measure.cell import CellInputs, CellResults
from mergebench.measure.rows import merged_row


def cell_of(attack: Attack, alpha: float, norm_ratio: float | None) -> Cell:
    """Return a cell of an attack without a test."""
    inputs = CellInputs(
        backbone="toy",
        backbone_sha256="a" * 64,
        suite="few",
        suite_sha256="b" * 64,
        tasks=("mnist",),
        precision="fp32",
        seed=0,
        attack=Method.of(attack),
        space=Method(name="full", version=1, options={}),
    )
    results = CellResults(
        correct={}, sizes={"test": {"mnist": 2}}, alpha=alpha, norm_ratio=norm_ratio
    )
    return Cell(inputs=inputs, results=results, run=CellRun.now(1.0, torch.device("cpu")))


@pytest.mark.parametrize(
    ("attack", "alpha", "norm_ratio", "empty"),
    [
        (TaskArithmetic(), 0.3, 0.2, False),
        (TaskArithmetic(), 0.0, 0.0, True),
        (Ram(epsilon=1e-2), 1.0, 0.0, True),  # every entry is smaller
        (Ram(), 1.0, 0.2, False),
        (Hold(rule=TaskArithmetic()), 0.0, 0.4, False),
        (Hold(rule=TaskArithmetic()), 0.0, 0.0, True),
        (TaskArithmetic(), 0.3, None, False),
    ],
)
def test_a_merge_that_leaves_the_backbone_is_empty(
    attack: Attack, alpha: float, norm_ratio: float | None, empty: bool
) -> None:
    row = merged_row(cell_of(attack, alpha, norm_ratio), attack=attack, protection="none")
    assert row.empty == empty
