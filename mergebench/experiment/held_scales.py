"""The scales at which merges hold the updates that they are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mergebench.contracts import DataMerger
from mergebench.errors import InputError
from mergebench.experiment.attack_names import check_attack
from mergebench.experiment.context import context_of
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.held_job import HeldJob
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import measure_merges_and_cells
from mergebench.experiment.stage import run_jobs
from mergebench.measure import Cell, Measurements, Merged, MergeKey, ScaleCurve
from mergebench.progress import Silent


def measure_held_scales(
    experiment: Experiment, monitor: Monitor, *, processes: int
) -> Measurements:
    """Return the merges of an experiment with `Merged.held`, measuring what is missing.

    What was tested is merged again at the point that its search chose, and not evaluated. The
    curves are those of the updates alone, on the validation inputs of their training records.
    Raises `InputError` for attacks that look at inputs.
    """
    for name in experiment.attacks:
        if isinstance(experiment.setting.attack(check_attack(name)[0]), DataMerger):
            raise InputError(f"{name} looks at inputs, and its merges are not kept; leave it out")
    measured, cells = measure_merges_and_cells(experiment, monitor, processes=processes)
    jobs = [
        HeldJob(experiment=experiment, merges=tuple(own))
        for own in _by_updates(measured.merged).values()
    ]
    run_jobs(jobs, monitor, "scales", processes=processes)
    held: dict[MergeKey, Cell] = {}
    for job in jobs:
        held.update(zip((one.key for one in job.merges), job.cells(), strict=True))
    every = [*cells, *held.values(), experiment.workbench().zero_shot()]
    context = context_of(experiment, every)
    merged = tuple(replace(one, held=held[one.key].results.notes) for one in measured.merged)
    return replace(
        measured, context=context, merged=merged, curves=tuple(_recorded_curves(experiment))
    )


def _by_updates(
    merges: Sequence[Merged],
) -> dict[tuple[str, str | None, int], list[Merged]]:
    """Return merges by the set of updates that they are of."""
    found: dict[tuple[str, str | None, int], list[Merged]] = {}
    for one in merges:
        found.setdefault((one.protection, one.target, one.seed), []).append(one)
    return found


def _recorded_curves(experiment: Experiment) -> Iterator[ScaleCurve]:
    """Yield what was recorded when the updates were trained; nothing of updates of others."""
    bench = experiment.workbench()
    for protection, task, seed in experiment.releases():
        record = bench.training_record(protection, task, seed, Silent())
        if (curve := record.get("scale_curve")) is not None:
            yield ScaleCurve(
                seed=seed,
                release=protection,
                task=task,
                scales=tuple(curve["scales"]),
                correct=tuple(curve["correct"]),
                size=curve["images"],
            )
