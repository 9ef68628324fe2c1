"""Theft at bounded cost: chooses the points on validation counts, and tests those that lack it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.point_job import PointJob
from mergebench.experiment.stage import run_jobs
from mergebench.measure import (
    BOUNDS,
    UNPROTECTED,
    Cell,
    Choices,
    Level,
    Measurements,
    Merged,
    Point,
    Theft,
    cheap_point,
)


def measure_thefts(
    experiment: Experiment,
    measured: Measurements,
    cells: Sequence[Cell],
    levels: Sequence[Level],
    yardsticks: Sequence[str],
    monitor: Monitor,
    *,
    processes: int,
) -> tuple[Theft, ...]:
    """Return the thefts of every protection, level, target and seed, measuring what is missing.

    `cells`: of the merges of `measured`, in their order. A point that a search chose was tested
    then; the others are merged once more.
    """
    plans = [*_plans(experiment, measured, cells, levels, yardsticks)]
    jobs = {plan.job.label: plan.job for plan in plans if plan.job is not None}
    run_jobs([*jobs.values()], monitor, "points", processes=processes)
    return tuple(plan.tested() for plan in plans)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A theft as validation chose it; `job` tests it, None where it was or where there is none."""

    theft: Theft
    job: PointJob | None

    def tested(self) -> Theft:
        if self.job is None or self.theft.merged is None:
            return self.theft
        results = self.job.cell().results
        merged = replace(
            self.theft.merged,
            correct=results.correct,
            hits=results.hits,
            warnings=results.warnings,
        )
        return replace(self.theft, merged=merged)


def _plans(
    experiment: Experiment,
    measured: Measurements,
    cells: Sequence[Cell],
    levels: Sequence[Level],
    yardsticks: Sequence[str],
) -> Iterator[_Plan]:
    choices = Choices(measured.merged)
    points = {
        id(merged): cell.results.points for merged, cell in zip(measured.merged, cells, strict=True)
    }
    for level in levels:
        usable = [name for one in levels if level.allows(one) for name in one.attacks]
        for protection in (UNPROTECTED, *experiment.protections):
            for seed in measured.context.seeds:
                for target in measured.context.tasks:
                    merges = [choices.of(protection, name, target, seed) for name in usable]
                    left_out = choices.left_out(yardsticks, target, seed)
                    for bound in BOUNDS:
                        found = cheap_point(
                            [(one, points[id(one)]) for one in merges],
                            left_out=left_out,
                            target=target,
                            bound=bound,
                        )
                        theft = Theft(
                            protection=protection,
                            target=target,
                            seed=seed,
                            level=level,
                            bound=bound,
                            merged=found and _at(*found),
                        )
                        yield _Plan(theft=theft, job=found and _job(experiment, *found))


def _at(merged: Merged, point: Point) -> Merged:
    """Return the merge at another point of its search, its test counts still being missing."""
    if _is_chosen(merged, point):
        return merged
    return replace(
        merged,
        alpha=point.alpha,
        options=point.options,
        validated=point.counts,
        correct={},
        hits={},
        warnings=(),
    )


def _job(experiment: Experiment, merged: Merged, point: Point) -> PointJob | None:
    if _is_chosen(merged, point):
        return None
    return PointJob(
        experiment=experiment,
        attack=merged.attack,
        space=merged.space,
        protection=merged.protection,
        target=merged.target,
        seed=merged.seed,
        options=point.options,
        alpha=point.alpha,
    )


def _is_chosen(merged: Merged, point: Point) -> bool:
    return (point.alpha, point.options) == (merged.alpha, merged.options)
