"""Theft at bounded cost: chooses the points on validation counts, and tests those that lack it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
    Searched,
    Theft,
    best_theft,
    cheap_points,
)

_Changed = tuple[Merged, Mapping[str, Any]]
"""A merge at a point, and what was changed in its attack before it was searched."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A theft whose `merged` is to be chosen, against the merge `left_out`.

    `searches`: in groups, of each what a level adds to those that it allows; `known`: what was
    looked at on all validation inputs before, as `left_out` was.
    """

    theft: Theft
    searches: Sequence[Sequence[Searched]]
    left_out: Merged
    known: Sequence[Merged] = ()


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

    Finalists are merged once more for all validation inputs, and what is chosen for the test, if it
    was not looked at there before.
    """
    every = [*wanted]
    finalists = [_finalists(experiment, one) for one in every]
    each = [one for own in finalists for one in own]
    confirmed = iter(points.confirmed([one for one, _ in each], [changed for _, changed in each]))
    chosen = [
        _best(one, [(next(confirmed), changed) for _, changed in own])
        for one, own in zip(every, finalists, strict=True)
    ]
    there = [one for one in chosen if one is not None]
    tested = iter(points.tested([one for one, _ in there], [changed for _, changed in there]))
    return tuple(
        one.theft if own is None else replace(one.theft, merged=next(tested))
        for one, own in zip(every, chosen, strict=True)
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


def _finalists(experiment: Experiment, wanted: Wanted) -> list[_Changed]:
    """Return what is looked at on all validation inputs, of this bound and of narrower ones.

    So that who may spend more, knows more or is given more has nothing worse to choose from.
    """
    return [
        (_at(search.merged, point), search.given)
        for searches in wanted.searches
        for bound in BOUNDS
        if bound <= wanted.theft.bound
        for search, point in cheap_points(
            [_with_update(experiment, one) for one in searches],
            left_out=wanted.left_out,
            target=wanted.theft.target,
            bound=bound,
        )
    ]


def _best(wanted: Wanted, finalists: Sequence[_Changed]) -> _Changed | None:
    """Return the mixture that all validation inputs choose, if any costs little enough."""
    every: list[_Changed] = [*finalists, *((one, {}) for one in wanted.known)]
    best = best_theft(
        [one for one, _ in every if not one.empty],
        left_out=wanted.left_out,
        target=wanted.theft.target,
        bound=wanted.theft.bound,
    )
    return next((one for one in every if one[0] is best), None)


def _with_update(experiment: Experiment, search: Searched) -> Searched:
    """Return the search with those of its points at which anything was merged."""
    attack = experiment.setting.attack(search.merged.attack)
    points = [point for point in search.points if attack.contains(point.alpha)]
    return replace(search, points=points)


def _wanted(
    experiment: Experiment,
    measured: Measurements,
    cells: Sequence[Cell],
    levels: Sequence[Level],
    yardsticks: Sequence[str],
) -> Iterator[Wanted]:
    choices = Choices(measured.merged)
    points = {
        merged.key: cell.results.points for merged, cell in zip(measured.merged, cells, strict=True)
    }
    places = [
        (level, protection, seed, target)
        for level in levels
        for protection in (UNPROTECTED, *experiment.protections)
        for seed in measured.context.seeds
        for target in measured.context.tasks
    ]
    for level, protection, seed, target in places:
        allowed = [measured.run_on(protection, one.attacks) for one in levels if level.allows(one)]
        merges = [
            [choices.of(protection, name, target, seed) for name in names] for names in allowed
        ]
        known = choices.taking(protection, allowed, target, seed).finalists
        for bound in BOUNDS:
            yield Wanted(
                theft=Theft(
                    protection=protection, target=target, seed=seed, level=level, bound=bound
                ),
                searches=[
                    [Searched(merged=one, points=points[one.key]) for one in own] for own in merges
                ],
                left_out=choices.leaving_out(yardsticks, target, seed).best,
                known=known,
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
        empty=False,
    )


def _is_chosen(merged: Merged, point: Point) -> bool:
    return (point.alpha, point.options) == (merged.alpha, merged.options)
