"""Protections by the best attack at each level of the threat model: the leaderboard's numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from mergebench.measure import (
    BOUNDS,
    FROM_BASE,
    UNPROTECTED,
    Case,
    Estimate,
    Gain,
    Level,
    Measurements,
    Merged,
    NotRun,
    cost_alone,
    gain_of_taking,
    mean_accuracy,
    mixture_of,
)
from mergebench.report.labels import release_order
from mergebench.report.leaderboard_flags import Flags
from mergebench.report.leaderboard_picks import Pick, Picks


@dataclass(frozen=True, kw_only=True)
class Accuracies:
    """In percent, of one merge or a mean: the target, the other tasks, and all of them."""

    target: float
    others: float
    overall: float


@dataclass(frozen=True, kw_only=True)
class Bounded:
    """Theft at bounded cost over targets and seeds, in percent.

    `target`, `others`: accuracy, with the merge without the update in the place of mixtures that
    are not there; `none`: of how many of `picks` every mixture costs more than the bound.
    """

    target: Estimate
    others: Estimate
    none: int
    picks: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One protection under the best attack of one level.

    `accuracies`: means over targets and seeds of what is taken; `gain`: against the merge without
    the update and with the unprotected one; `chosen`: how often each attack was the best, by
    `attack@space`; `bounded`: by bound in points, for those that were measured;
    `flags`: how many of the picks each kind of doubt is about; `not_run`: attacks of the level
    that were left out, a cheaper one having shown that nothing is denied.
    """

    protection: str
    level: Level
    picks: tuple[Pick, ...]
    accuracies: Accuracies
    gain: Gain
    chosen: Mapping[str, int]
    bounded: Mapping[int, Bounded]
    flags: Mapping[str, int]
    not_run: tuple[NotRun, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """Standings by protection and level, and what they are compared with.

    `alone`: mean standalone accuracy by release, zero-shot included, in percent; `cost_alone`: of
    protections, what it is minus that of unprotected updates. `left_out`: the merges without the
    update.
    """

    standings: tuple[Standing, ...]
    alone: Mapping[str, float]
    cost_alone: Mapping[str, Estimate]
    left_out: Accuracies
    targets: tuple[str, ...]


def leaderboard(
    measurements: Measurements, levels: Sequence[Level], yardsticks: Sequence[str]
) -> Leaderboard:
    """Return the standings; ValueError naming what was not measured.

    `yardsticks`: the merges without the update, as `attack@space`.
    """
    rows = {one.protection for one in measurements.merged} - {FROM_BASE}
    picks, flags = Picks(measurements, levels, yardsticks), Flags(measurements, levels)
    standings = tuple(
        _standing(measurements, protection, level, picks, flags)
        for level in levels
        for protection in sorted(rows, key=release_order)
    )
    return Leaderboard(
        standings=standings,
        alone=_alone(measurements),
        cost_alone=_costs(measurements, rows - {UNPROTECTED}),
        left_out=_mean((one.left_out, one.target) for one in standings[0].picks),
        targets=measurements.context.tasks,
    )


def _standing(
    measurements: Measurements, protection: str, level: Level, all_picks: Picks, flags: Flags
) -> Standing:
    picks = all_picks.of(protection, level)
    cases = [
        Case.of(
            one.target,
            one.seed,
            taken=one.taken,
            left_out=one.left_out,
            unprotected=one.unprotected,
        )
        for one in picks
    ]
    return Standing(
        protection=protection,
        level=level,
        picks=picks,
        accuracies=_mean((one.taken, one.target) for one in picks),
        gain=gain_of_taking(cases),
        chosen=Counter(one.taken.name for one in picks),
        bounded={
            bound: _bounded(picks, bound)
            for bound in BOUNDS
            if all(bound in one.thefts for one in picks)
        },
        flags=flags.of(protection, level, picks),
        not_run=tuple(_of_level(measurements, protection, level)),
    )


def _of_level(measurements: Measurements, protection: str, level: Level) -> Iterator[NotRun]:
    """Yield which attacks of the level itself were not run."""
    for one in measurements.not_run:
        own = tuple(name for name in one.attacks if name in level.attacks)
        if one.protection == protection and own:
            yield replace(one, attacks=own)


def _bounded(picks: Sequence[Pick], bound: int) -> Bounded:
    models = [mixture_of(one.thefts[bound] or one.left_out) for one in picks]
    targets = [one.target for one in picks]
    return Bounded(
        target=mean_accuracy(models, targets, "target"),
        others=mean_accuracy(models, targets, "others"),
        none=sum(one.thefts[bound] is None for one in picks),
        picks=len(picks),
    )


def accuracies(merged: Merged, target: str) -> Accuracies:
    """Return the test accuracies of one merge, in percent."""
    by_task = {task: 100 * right / merged.sizes[task] for task, right in merged.correct.items()}
    return Accuracies(
        target=by_task[target],
        others=fmean(value for task, value in by_task.items() if task != target),
        overall=fmean(by_task.values()),
    )


def _mean(merges: Iterable[tuple[Merged, str]]) -> Accuracies:
    found = [accuracies(merged, target) for merged, target in merges]
    return Accuracies(
        target=fmean(one.target for one in found),
        others=fmean(one.others for one in found),
        overall=fmean(one.overall for one in found),
    )


def _alone(measurements: Measurements) -> dict[str, float]:
    rows: dict[str, list[float]] = {}
    for one in measurements.standalone:
        rows.setdefault(one.release, []).append(100 * one.correct / one.size)
    return {release: fmean(values) for release, values in rows.items()}


def _costs(measurements: Measurements, protections: Iterable[str]) -> dict[str, Estimate]:
    tasks = measurements.context.tasks
    found = {one: cost_alone(measurements.standalone, one, tasks) for one in protections}
    return {protection: cost for protection, cost in found.items() if cost is not None}
