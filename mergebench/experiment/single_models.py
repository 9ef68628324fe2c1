"""Test counts of single models: one point of a search, or an update of anybody."""

from __future__ import annotations

from dataclasses import replace

from mergebench.experiment.workbench import Workbench
from mergebench.measure import (
    FULL,
    Cell,
    CellResults,
    Method,
    Point,
    deployed,
    results_on_test,
)
from mergebench.merging import AttackT, Problem
from mergebench.updates import Update


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
