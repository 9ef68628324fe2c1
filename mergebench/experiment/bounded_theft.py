"""Theft at bounded cost: chooses the points on validation counts, and tests those that lack it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mergebench.experiment.experiment import Experiment
from mergebench.experiment.single_points import SinglePoints
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
    points: SinglePoints,
) -> tuple[Theft, ...]:
    """Return the thefts of every protection, level, target and seed, measuring what is missing.

    `cells`: of the merges of `measured`, in their order.
    """
    wanted = _wanted(experiment, measured, cells, levels, yardsticks)
    return chosen_thefts(experiment, wanted, points)


def chosen_thefts(
    experiment: Experiment, wanted: Iterable[Wanted], points: SinglePoints
) -> tuple[Theft, ...]:
    """Return the thefts with what validation chooses for them, tested.

    A point that a search chose was tested then; the others are merged once more.
    """
    every = [*wanted]
    found = [_chosen(experiment, one) for one in every]
    there = [one for one in found if one is not None]
    tested = iter(points.tested([one for one, _ in there], [options for _, options in there]))
    return tuple(
        one.theft if own is None else replace(one.theft, merged=next(tested))
        for one, own in zip(every, found, strict=True)
    )


def of_a_race(experiment: Experiment) -> tuple[str, ...]:
    """Return what a table of thefts has to say of a protocol that races."""
    if experiment.protocol.race is None:
        return ()
    return (
        f"Protocol {experiment.protocol.name} gives coefficients up early by the mean of all "
        "tasks: thefts are chosen among those that it left, and may be smaller than what the "
        "attacks allow.",
    )


def _chosen(experiment: Experiment, wanted: Wanted) -> tuple[Merged, Mapping[str, Any]] | None:
    """Return the mixture that validation chooses, and what was changed in its attack before."""
    found = cheap_point(
        [(one.merged, _with_update(experiment, one)) for one in wanted.searches],
        left_out=wanted.left_out,
        target=wanted.theft.target,
        bound=wanted.theft.bound,
    )
    if found is None:
        return None
    merged, point = found
    (changed,) = (one.options for one in wanted.searches if one.merged is merged)
    return _at(merged, point), changed


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
