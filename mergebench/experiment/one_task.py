"""One task's updates by themselves: on validation, where one is chosen, and then on test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mergebench.experiment.context import context_of
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import ReleaseJob, ZeroShotJob
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.stage import run_jobs
from mergebench.experiment.validation_job import ValidationJob
from mergebench.measure import (
    Cell,
    Measurements,
    OnValidation,
    scale_curve,
    standalone_row,
    zero_shot_rows,
)
from mergebench.progress import Silent
from mergebench.suites import all_tasks


def measure_on_validation(
    updates: Sequence[tuple[Experiment, str]], monitor: Monitor, *, processes: int
) -> list[OnValidation]:
    """Return what validation says of updates of one task, training those that are missing.

    `updates`: for each the experiment, of one task, and its protection.
    """
    jobs = [_validation_job(*one) for one in updates]
    run_jobs(jobs, monitor, "adapters", processes=processes)
    return [job.found(Silent()) for job in jobs]


def _validation_job(experiment: Experiment, protection: str) -> ValidationJob:
    task, seed = _task_and_seed(experiment)
    return ValidationJob(experiment=experiment, protection=protection, task=task, seed=seed)


def measure_on_test(
    experiment: Experiment, protections: Sequence[str], monitor: Monitor, *, processes: int
) -> Measurements:
    """Return test accuracies and scale curves of the updates of an experiment's one task.

    `protections`: whose; the backbone itself comes first.
    """
    task, seed = _task_and_seed(experiment)
    jobs = [
        ReleaseJob(
            experiment=experiment, protection=protection, task=task, seed=seed, with_curve=True
        )
        for protection in protections
    ]
    zero_shot = ZeroShotJob(experiment=experiment)
    run_jobs([zero_shot, *jobs], monitor, "test", processes=processes)
    bench = experiment.workbench()
    base = bench.zero_shot()
    cells: list[Cell] = [base]
    rows, curves = zero_shot_rows(base, experiment.seeds), []
    for protection in protections:
        alone = bench.standalone(protection, task, seed, Silent())
        curve = bench.scale_curve(protection, task, seed, Silent())
        cells += [alone, curve]
        rows.append(standalone_row(alone, protection, task))
        curves.append(scale_curve(curve, protection, task))
    context = replace(context_of(experiment, cells), protocol="")  # nothing is searched
    return Measurements(context=context, standalone=tuple(rows), curves=tuple(curves))


def _task_and_seed(experiment: Experiment) -> tuple[str, int]:
    tasks = experiment.tasks or all_tasks(experiment.setting.suite, experiment.data)
    (task,), (seed,) = tasks, experiment.seeds
    return task, seed
