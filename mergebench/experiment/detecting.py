"""Scores the released updates of a suite for traps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mergebench.backbones import check_change
from mergebench.experiment.context import context_of
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import measure_standalone
from mergebench.experiment.workbench import Workbench
from mergebench.measure import (
    INPUTS,
    SCALES,
    UNPROTECTED,
    Cell,
    CellResults,
    Detection,
    Method,
    ScaleResponse,
    Scored,
    respond,
)
from mergebench.progress import Silent
from mergebench.updates import Update


def score_releases(experiment: Experiment, monitor: Monitor, *, processes: int) -> Detection:
    """Return the scores of all releases, each by inputs of its own task, measuring what is missing.

    They stand in the order of seeds, protections (`none` first) and tasks.
    """
    measure_standalone(experiment, monitor, processes=processes)
    found = list(_scored(experiment))
    context = context_of(replace(experiment, attacks=()), [cell for _, cell in found])
    note = (
        f"Scores look at the first {INPUTS} validation {context.inputs} of a release's own task, "
        f"deployed at {len(SCALES)} scales from {SCALES[0]:g} to {SCALES[-1]:g}, and at no label."
    )
    return Detection(
        context=replace(context, protocol="", notes=(*context.notes, note)),
        scored=tuple(scored for scored, _ in found),
    )


def score_updates(experiment: Experiment, updates: list[Update]) -> list[Scored]:
    """Return the scores of updates of anybody, by inputs of all tasks of the experiment."""
    bench = experiment.workbench()
    for update in updates:
        check_change(bench.backbone, update)
    return [
        Scored(
            label=update.label,
            response=respond(
                bench.backbone, update, bench.suite.tasks, precision=bench.setting.precision
            ),
        )
        for update in updates
    ]


def _scored(experiment: Experiment) -> Iterator[tuple[Scored, Cell]]:
    bench = experiment.workbench()
    order = {task: place for place, task in enumerate(bench.suite.task_names)}
    kinds = {name: place for place, name in enumerate((UNPROTECTED, *experiment.protections))}
    releases = sorted(experiment.releases(), key=lambda one: (one[2], kinds[one[0]], order[one[1]]))
    for protection, task, seed in releases:
        cell = _responded(bench, protection, task, seed)
        scored = Scored(
            label=f"{task} {protection}",
            response=ScaleResponse.of(cell.results.notes),
            protection=protection,
            task=task,
            seed=seed,
        )
        yield scored, cell


def _responded(bench: Workbench, protection: str, task: str, seed: int) -> Cell:
    """Return the cell whose notes are the numbers of a release's response; it has no counts."""

    def measure() -> CellResults:
        update = bench.release(protection, task, seed, Silent())
        own, precision = [bench.suite.task(task)], bench.setting.precision
        response = respond(bench.backbone, update, own, precision=precision)
        return CellResults(correct={}, sizes={}, notes=response.numbers)

    return bench.recalled(
        measure,
        seed=seed,
        protection=Method.of(bench.setting.protection(protection)),
        target=task,
        protocol={"name": "scale_response", "scales": SCALES, "inputs": INPUTS},
        updates=(bench.release_sha256(protection, task, seed, Silent()),),
    )
