"""Test counts of single models: one point of a search, or an update of anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from mergebench.experiment.posed import Posed
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
from mergebench.merging import AttackT
from mergebench.progress import Silent
from mergebench.symmetries import stored_as
from mergebench.updates import Truncated, Update, scale_along
from mergebench.updates import leading as leading_directions

STORAGE: Mapping[str, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
"""In what checkpoints are stored, by name."""

LEADING = 0.75
"""The leading directions of an update: the share of its squared norm that they hold, per site."""


def measured_point(
    bench: Workbench,
    merger: AttackT,
    posed: Posed[AttackT],
    alpha: float,
    *,
    start: Cell | None = None,
    confirm: bool = False,
) -> Cell:
    """Return the test counts of one merge at `alpha`, chosen elsewhere.

    With `confirm` those of all validation inputs, in its one point, and none of test. `start`: as
    of `Workbench.merged`.
    """

    def measure() -> CellResults:
        with deployed(bench.backbone, posed.problem().path(merger), alpha):
            if confirm:
                return _on_validation(bench, alpha)
            return replace(results_on_test(bench.evaluator), alpha=alpha)

    begun = {} if start is None else {"start": start.key}
    return bench.recalled(
        measure,
        protocol={"name": "confirmed" if confirm else "point", "alpha": alpha, **begun},
        **posed.identity(merger),
    )


def held_scales(
    bench: Workbench,
    merger: AttackT,
    posed: Posed[AttackT],
    alpha: float,
    *,
    leading: dict[str, Truncated],
) -> Cell:
    """Return the scales at which a merge at `alpha` holds each task's update; no counts.

    They are notes by task (`scale_along`), of the updates as they were merged: of one that was put
    back beside W0 first, as it stood there. Of who is asked for, `<task> leading` is that of the
    leading directions (`LEADING`), which `leading` keeps by hash for the next merge, and
    `<task> gap` the smallest relative gap at which these end.
    """

    def measure() -> CellResults:
        problem = posed.problem()
        path = problem.path(merger)
        change, merged = path.at(alpha), path.merged or problem.updates
        found = [scale_along(change, update) for update in merged]
        names = bench.suite.task_names
        notes = dict(zip(names, found, strict=True))
        for task, update in zip(names, merged, strict=True):
            if posed.target in (None, task):
                if update.sha256 not in leading:
                    leading[update.sha256] = leading_directions(update, LEADING)
                lead = leading[update.sha256]
                notes[f"{task} leading"] = scale_along(change, lead.update)
                notes[f"{task} gap"] = lead.gap
        return CellResults(correct={}, sizes={}, alpha=alpha, notes=notes)

    return bench.recalled(
        measure,
        protocol={"name": "held_scales", "alpha": alpha, "leading": LEADING},
        **posed.identity(merger),
    )


def measured_as_stored(bench: Workbench, protection: str, task: str, seed: int, dtype: str) -> Cell:
    """Return the test count of one update, the checkpoint that it makes being stored in a dtype.

    `dtype`: of `STORAGE`. The tower computes in float32, whatever the setting's precision, so that
    nothing but storing rounds.
    """

    def measure() -> CellResults:
        update = bench.release(protection, task, seed, Silent())
        evaluator = Evaluator(bench.backbone, [bench.suite.task(task)], precision="fp32")
        with deployed(bench.backbone, stored_as(update, bench.backbone, STORAGE[dtype])):
            return results_on_test(evaluator)

    return bench.recalled(
        measure,
        seed=seed,
        protection=Method.of(bench.setting.protection(protection)),
        target=task,
        protocol={"name": "stored", "dtype": dtype, "precision": "fp32"},
        updates=(bench.release_sha256(protection, task, seed, Silent()),),
    )


def measured_norm(bench: Workbench, protection: str, task: str, seed: int) -> float:
    """Return the Frobenius norm of one update over all its sites; a cell with a note, no counts."""

    def measure() -> CellResults:
        norm = bench.release(protection, task, seed, Silent()).norm()
        return CellResults(correct={}, sizes={}, notes={"norm": norm})

    cell = bench.recalled(
        measure,
        seed=seed,
        protection=Method.of(bench.setting.protection(protection)),
        target=task,
        protocol={"name": "frobenius_norm"},
        updates=(bench.release_sha256(protection, task, seed, Silent()),),
    )
    return cell.results.notes["norm"]


def measured_update(bench: Workbench, update: Update) -> Cell:
    """Return the test counts of an update as it is, and in its one point all validation counts."""

    def measure() -> CellResults:
        with deployed(bench.backbone, update):
            tested, seen = results_on_test(bench.evaluator), _on_validation(bench, alpha=1.0)
        return replace(tested, sizes={**tested.sizes, **seen.sizes}, alpha=1.0, points=seen.points)

    return bench.recalled(
        measure,
        seed=0,
        protocol={"name": "given", "search_per_task": None},  # None: all validation inputs
        updates=(update.sha256,),
    )


def _on_validation(bench: Workbench, alpha: float) -> CellResults:
    """Return the counts of the backbone as it stands on all validation inputs, in one point."""
    counts, sizes = bench.validation.correct("val"), bench.validation.sizes("val")
    return CellResults(
        correct={},
        sizes={FULL: sizes},
        alpha=alpha,
        points=(Point(options={}, alpha=alpha, counts=counts),),
    )
