"""Theft at bounded cost: chooses the points on validation counts, and tests those that lack it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.point_job import PointJob
from mergebench.experiment.stage import run_jobs
from mergebench.experiment.tested_points import point_job, with_test_counts
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


@dataclass(frozen=True, kw_only=True)
class Search:
    """A merge and the points of its search; `options`: what was changed in its attack before."""

    merged: Merged
    points: Sequence[Point]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A theft whose `merged` is to be chosen among `searches`, against the merge `left_out`."""

    theft: Theft
    searches: Sequence[Search]
    left_out: Merged


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

    `cells`: of the merges of `measured`, in their order.
    """
    wanted = _wanted(experiment, measured, cells, levels, yardsticks)
    return chosen_thefts(experiment, wanted, monitor, processes=processes)


def chosen_thefts(
    experiment: Experiment, wanted: Iterable[Wanted], monitor: Monitor, *, processes: int
) -> tuple[Theft, ...]:
    """Return the thefts with what validation chooses for them, tested.

    A point that a search chose was tested then; the others are merged once more.
    """
    plans = [_plan(experiment, one) for one in wanted]
    jobs = {plan.job.label: plan.job for plan in plans if plan.job is not None}
    run_jobs([*jobs.values()], monitor, "points", processes=processes)
    return tuple(plan.tested() for plan in plans)


def of_a_race(experiment: Experiment) -> tuple[str, ...]:
    """Return what a table of thefts has to say of a protocol that races."""
    if experiment.protocol.race is None:
        return ()
    return (
        f"Protocol {experiment.protocol.name} gives coefficients up early by the mean of all "
        "tasks: thefts are chosen among those that it left, and may be smaller than what the "
        "attacks allow.",
    )


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A theft as validation chose it; `job` tests it, None where it was or where there is none."""

    theft: Theft
    job: PointJob | None

    def tested(self) -> Theft:
        if self.theft.merged is None:
            return self.theft
        return replace(self.theft, merged=with_test_counts(self.theft.merged, self.job))


def _plan(experiment: Experiment, wanted: Wanted) -> _Plan:
    found = cheap_point(
        [(one.merged, _with_update(experiment, one)) for one in wanted.searches],
        left_out=wanted.left_out,
        target=wanted.theft.target,
        bound=wanted.theft.bound,
    )
    if found is None:
        return _Plan(theft=wanted.theft, job=None)
    merged, point = found
    (changed,) = (one.options for one in wanted.searches if one.merged is merged)
    there = _at(merged, point)
    return _Plan(
        theft=replace(wanted.theft, merged=there), job=point_job(experiment, there, changed)
    )


def _with_update(experiment: Experiment, search: Search) -> list[Point]:
    """Return the points of a search at which anything was merged."""
    attack = experiment.setting.attack(search.merged.attack)
    return [point for point in search.points if attack.contains(point.alpha)]


def _wanted(
    experiment: Experiment,
    measured: Measurements,
    cells: Sequence[Cell],
    levels: Sequence[Level],
    yardsticks: Sequence[str],
) -> Iterator[Wanted]:
    choices = Choices(measured.merged)
    points = {
        id(merged): cell.results.points for merged, cell in zip(measured.merged, cells, strict=True)
    }
    places = [
        (level, protection, seed, target)
        for level in levels
        for protection in (UNPROTECTED, *experiment.protections)
        for seed in measured.context.seeds
        for target in measured.context.tasks
    ]
    for level, protection, seed, target in places:
        allowed = [name for one in levels if level.allows(one) for name in one.attacks]
        usable = measured.run_on(protection, allowed)
        merges = [choices.of(protection, name, target, seed) for name in usable]
        for bound in BOUNDS:
            yield Wanted(
                theft=Theft(
                    protection=protection, target=target, seed=seed, level=level, bound=bound
                ),
                searches=[Search(merged=one, points=points[id(one)]) for one in merges],
                left_out=choices.leaving_out(yardsticks, target, seed).best,
            )


def _at(merged: Merged, point: Point) -> Merged:
    """Return the merge at another point of its search, its test counts still being missing."""
    if _is_chosen(merged, point):
        return merged
    return replace(
        merged,
        alpha=point.alpha,
        options=point.options,
        validated=point.counts,
        confirmed={},
        confirmation_sizes={},
        correct={},
        hits={},
        warnings=(),
    )


def _is_chosen(merged: Merged, point: Point) -> bool:
    return (point.alpha, point.options) == (merged.alpha, merged.options)
