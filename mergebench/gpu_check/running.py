"""The parts of the check, one after the other, each in its share of the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from mergebench.device import one_thread
from mergebench.gpu_check.budget import Budget, Deadline
from mergebench.gpu_check.gpu_tests import run_gpu_tests
from mergebench.gpu_check.matrix_speed import matrix_speed
from mergebench.gpu_check.merge_times import alpha_time, merge_columns, merge_time
from mergebench.gpu_check.notebook import LATE, Notebook
from mergebench.gpu_check.record import Missed
from mergebench.gpu_check.sizes import Size, TableSize
from mergebench.gpu_check.speeds import PRECISIONS, measure_backbone
from mergebench.gpu_check.table_run import TableInputs, table_runs

SHARES: Mapping[str, float] = {"tests": 0.2, "speeds": 0.3, "merging": 0.2, "tables": 0.3}
"""The parts in their order, and what of the time each may take."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be done. `tables`: by what is made of which inputs; `parts`: of `SHARES`."""

    size: Size
    device: torch.device
    seconds: float
    tables: tuple[tuple[TableInputs, TableSize], ...]
    parts: tuple[str, ...] = tuple(SHARES)


def check_gpu(asked: Asked, notebook: Notebook) -> None:
    """Measure everything that there is time for; `notebook` has it, and what is missing.

    An error of one measurement is taken down and ends no other.
    """
    run: Mapping[str, Callable[[Asked, Notebook, Deadline], None]] = {
        "tests": _tests,
        "speeds": _speeds,
        "merging": _merging,
        "tables": _tables,
    }
    budget = Budget(asked.seconds, {part: SHARES[part] for part in asked.parts})
    for part in asked.parts:
        deadline = budget.begin(part)
        with notebook.attempt(part, f"the rest of {part}"):
            run[part](asked, notebook, deadline)


def _tests(asked: Asked, notebook: Notebook, deadline: Deadline) -> None:
    with notebook.attempt("tests", "tests marked gpu"):
        notebook.add(*run_gpu_tests(str(asked.device), deadline))
        if deadline.passed:
            notebook.add(Missed(part="tests", what="the tests after these", why=LATE))


def _speeds(asked: Asked, notebook: Notebook, deadline: Deadline) -> None:
    for precision in PRECISIONS:
        with notebook.attempt("speeds", f"matrix products in {precision}"):
            side = asked.size.matrix_side[asked.device.type]
            notebook.add(matrix_speed(asked.device, precision, side))
    for backbone in asked.size.images:
        measure_backbone(backbone, asked.size, asked.device, notebook, deadline)


def _merging(asked: Asked, notebook: Notebook, deadline: Deadline) -> None:
    devices = list(dict.fromkeys((asked.device, torch.device("cpu"))))
    with one_thread():
        for device in devices:
            with notebook.attempt("merging", f"a further alpha on {device}"):
                notebook.add(alpha_time(asked.size, device))
        for column in merge_columns():
            for device in devices:
                what = f"{column} on {device}"
                if notebook.in_time(deadline, "merging", what):
                    with notebook.attempt("merging", what):
                        notebook.add(merge_time(column, asked.size, device))


def _tables(asked: Asked, notebook: Notebook, deadline: Deadline) -> None:
    budget = Budget(deadline.left, {inputs.backbone: 1.0 for inputs, _ in asked.tables})
    for inputs, size in asked.tables:
        own, what = budget.begin(inputs.backbone), f"table 2 of {inputs.backbone}"
        if notebook.in_time(own, "tables", what):
            with notebook.attempt("tables", what):
                runs = table_runs(inputs, size, own)
                notebook.add(*runs)
                if runs[-1].stage != "merges" or runs[-1].done < runs[-1].wanted:
                    notebook.add(Missed(part="tables", what=f"the rest of {what}", why=LATE))
