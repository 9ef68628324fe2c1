"""Merges that validation chose, tested: at a point of their search, once more merged for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.point_job import PointJob
from mergebench.experiment.stage import run_jobs
from mergebench.measure import Merged, warnings_on_test


def point_job(
    experiment: Experiment, merged: Merged, changed: Mapping[str, Any] | None = None
) -> PointJob | None:
    """Return what tests a merge at its `alpha` and `options`; None where it was tested.

    `changed`: options that the attack was given before its search.
    """
    if merged.correct:
        return None
    return PointJob(
        experiment=experiment,
        attack=merged.attack,
        space=merged.space,
        protection=merged.protection,
        target=merged.target,
        seed=merged.seed,
        options={**(changed or {}), **merged.options},
        alpha=merged.alpha,
    )


def with_test_counts(merged: Merged, job: PointJob | None) -> Merged:
    """Return a merge with what its job, which is done, counted; itself where there was none."""
    if job is None:
        return merged
    results = job.cell().results
    return replace(
        merged,
        correct=results.correct,
        hits=results.hits,
        warnings=warnings_on_test(
            merged.warnings, results, merged.validated, merged.validation_sizes
        ),
    )


def tested(
    experiment: Experiment, merges: Iterable[Merged], monitor: Monitor, *, processes: int
) -> list[Merged]:
    """Return the merges, tested, in their order; equal ones are tested once."""
    pairs = [(merged, point_job(experiment, merged)) for merged in merges]
    jobs = {job.label: job for _, job in pairs if job is not None}
    run_jobs([*jobs.values()], monitor, "points", processes=processes)
    return [with_test_counts(merged, job) for merged, job in pairs]
