"""Finalists of a choice, looked at on all validation inputs, where their searches saw fewer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.point_job import PointJob
from mergebench.experiment.stage import run_jobs
from mergebench.measure import FULL, Choice, Merged


def with_confirmed(
    experiment: Experiment,
    merges: Sequence[Merged],
    choices: Iterable[Choice],
    monitor: Monitor,
    *,
    processes: int,
) -> list[Merged]:
    """Return the merges in their order, the finalists of `choices` among them being confirmed.

    What is missing is measured, which is nothing where searches saw all validation inputs.
    """
    wanted = {id(one) for choice in choices for one in choice.finalists}
    jobs = {
        id(one): PointJob(
            experiment=experiment,
            attack=one.attack,
            space=one.space,
            protection=one.protection,
            target=one.target,
            seed=one.seed,
            options=one.options,
            alpha=one.alpha,
            confirm=True,
        )
        for one in merges
        if id(one) in wanted and not one.confirmed
    }
    if experiment.setting.search_per_task is not None:
        run_jobs([*jobs.values()], monitor, "finalists", processes=processes)
    return [_confirmed(one, jobs[id(one)]) if id(one) in jobs else one for one in merges]


def _confirmed(merged: Merged, job: PointJob) -> Merged:
    if job.experiment.setting.search_per_task is None:
        return replace(
            merged, confirmed=merged.validated, confirmation_sizes=merged.validation_sizes
        )
    results = job.cell().results
    (point,) = results.points
    return replace(merged, confirmed=point.counts, confirmation_sizes=results.sizes[FULL])
