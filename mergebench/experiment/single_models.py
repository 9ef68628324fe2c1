"""Test counts of single models: one point of a search, or an update of anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from mergebench.experiment.workbench import Workbench
from mergebench.measure import (
    FULL,
    Cell,
    CellResults,
    Evaluator,
    Method,
    Point,
    deployed,
    results_on_test,
)
from mergebench.merging import AttackT, Problem
from mergebench.progress import Silent
from mergebench.symmetries import stored_as
from mergebench.updates import Update

STORAGE: Mapping[str, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
"""In what checkpoints are stored, by name."""


def measured_point(
    bench: Workbench,
    merger: AttackT,
    problem: Problem[AttackT],
    alpha: float,
    *,
    protection: str,
    target: str | None,
    start: Cell | None = None,
) -> Cell:
    """Return the test counts of one merge at `alpha`, chosen elsewhere.

    `start`: as of `Workbench.merged`.
    """

    def measure() -> CellResults:
        with deployed(bench.backbone, problem.path(merger), alpha):
            return replace(results_on_test(bench.evaluator), alpha=alpha)

    begun = {} if start is None else {"start": start.key}
    return bench.recalled(
        measure,
        seed=problem.seed,
        protection=Method.of(bench.setting.protection(protection)),
        target=target,
        attack=Method.of(merger),
        space=Method.of(problem.space),
        protocol={"name": "point", "alpha": alpha, **begun},
        updates=tuple(update.sha256 for update in problem.updates),
    )


def measured_as_stored(bench: Workbench, protection: str, task: str, seed: int, dtype: str) -> Cell:
    """Return the test count of one update, the checkpoint that it makes being stored in a dtype.

    `dtype`: of `STORAGE`. The tower computes in float32, whatever the setting's precision, so that
    nothing but storing rounds.
    """
    update = bench.release(protection, task, seed, Silent())

    def measure() -> CellResults:
        evaluator = Evaluator(bench.backbone, [bench.suite.task(task)], precision="fp32")
        with deployed(bench.backbone, stored_as(update, bench.backbone, STORAGE[dtype])):
            return results_on_test(evaluator)

    return bench.recalled(
        measure,
        seed=seed,
        protection=Method.of(bench.setting.protection(protection)),
        target=task,
        protocol={"name": "stored", "dtype": dtype, "precision": "fp32"},
        updates=(update.sha256,),
    )


def measured_update(bench: Workbench, update: Update) -> Cell:
    """Return the test counts of an update as it is, and in its one point those of validation."""

    def measure() -> CellResults:
        evaluator = bench.evaluator
        with deployed(bench.backbone, update):
            results, counts = results_on_test(evaluator), evaluator.correct("val")
        return replace(
            results,
            sizes={**results.sizes, FULL: evaluator.sizes("val")},
            alpha=1.0,
            points=(Point(options={}, alpha=1.0, counts=counts),),
        )

    return bench.recalled(
        measure,
        seed=0,
        protocol={"name": "given", "search_per_task": bench.setting.search_per_task},
        updates=(update.sha256,),
    )
