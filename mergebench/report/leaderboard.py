"""Protections by the best attack at each level of the threat model: the leaderboard's numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from mergebench.measure import (
    FROM_BASE,
    UNPROTECTED,
    Case,
    Gain,
    Level,
    Measurements,
    Merged,
    Mixture,
    gain_of_taking,
    unpacked,
)
from mergebench.report.labels import release_order


@dataclass(frozen=True, kw_only=True)
class Accuracies:
    """Means over targets and seeds, in percent: the target, the other tasks, and all of them."""

    target: float
    others: float
    overall: float


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One protection under the best attack of one level.

    Of each target and seed that is the one with the highest mean validation accuracy over all
    tasks; `chosen`: how often each was it, by `attack@space`. `gain`: against the merge without the
    update and with the unprotected one.
    """

    protection: str
    level: Level
    accuracies: Accuracies
    gain: Gain
    chosen: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """Standings by protection and level, and what they are compared with.

    `alone`: mean standalone accuracy by release, zero-shot included, in percent. `left_out`: the
    merges without the update.
    """

    standings: tuple[Standing, ...]
    alone: Mapping[str, float]
    left_out: Accuracies
    targets: tuple[str, ...]


def leaderboard(
    measurements: Measurements, levels: Sequence[Level], yardsticks: Sequence[str]
) -> Leaderboard:
    """Return the standings; ValueError naming what was not measured.

    `yardsticks`: the merges without the update, as `attack@space`.
    """
    merges = _Merges(measurements.merged)
    targets, seeds = measurements.context.tasks, measurements.context.seeds
    pairs = [(target, seed) for seed in seeds for target in targets]
    left_out = {pair: merges.best(UNPROTECTED, yardsticks, *pair) for pair in pairs}
    rows = {one.protection for one in measurements.merged} - {FROM_BASE}
    protections = sorted(rows, key=release_order)
    standings = []
    for level in levels:
        usable = [name for one in levels if level.allows(one) for name in one.attacks]
        unprotected = {pair: merges.best(UNPROTECTED, usable, *pair) for pair in pairs}
        for protection in protections:
            taken = {pair: merges.best(protection, usable, *pair) for pair in pairs}
            standings.append(
                Standing(
                    protection=protection,
                    level=level,
                    accuracies=_accuracies(taken),
                    gain=gain_of_taking(
                        [
                            Case(
                                target=pair[0],
                                seed=pair[1],
                                taken=_mixture(taken[pair]),
                                left_out=_mixture(left_out[pair]),
                                unprotected=_mixture(unprotected[pair]),
                            )
                            for pair in pairs
                        ]
                    ),
                    chosen=Counter(_name(one) for one in taken.values()),
                )
            )
    return Leaderboard(
        standings=tuple(standings),
        alone=_alone(measurements),
        left_out=_accuracies(left_out),
        targets=targets,
    )


class _Merges:
    """Merges by what they are of; an unprotected one of no target is every target's."""

    def __init__(self, merges: Iterable[Merged]) -> None:
        self._found = {(one.protection, _name(one), one.target, one.seed): one for one in merges}

    def best(self, protection: str, attacks: Iterable[str], target: str, seed: int) -> Merged:
        """Return the merge with the best mean validation accuracy; of equals the first."""
        return max(
            (self._of(protection, attack, target, seed) for attack in attacks), key=_validated
        )

    def _of(self, protection: str, attack: str, target: str, seed: int) -> Merged:
        for whose in (target, None):
            found = self._found.get((protection, attack, whose, seed))
            if found is not None:
                return found
        raise ValueError(f"{attack} of {target}, {protection}, seed {seed} was not measured")


def _name(merged: Merged) -> str:
    return f"{merged.attack}@{merged.space}"


def _validated(merged: Merged) -> float:
    return fmean(merged.validated[task] / size for task, size in merged.validation_sizes.items())


def _mixture(merged: Merged) -> Mixture:
    return {task: unpacked(hits, merged.sizes[task]) for task, hits in merged.hits.items()}


def _accuracies(merges: Mapping[tuple[str, int], Merged]) -> Accuracies:
    views = [
        ({task: 100 * right / one.sizes[task] for task, right in one.correct.items()}, target)
        for (target, _), one in merges.items()
    ]
    return Accuracies(
        target=fmean(accuracy[target] for accuracy, target in views),
        others=fmean(
            fmean(value for task, value in accuracy.items() if task != target)
            for accuracy, target in views
        ),
        overall=fmean(fmean(accuracy.values()) for accuracy, _ in views),
    )


def _alone(measurements: Measurements) -> dict[str, float]:
    rows: dict[str, list[float]] = {}
    for one in measurements.standalone:
        rows.setdefault(one.release, []).append(100 * one.correct / one.size)
    return {release: fmean(values) for release, values in rows.items()}
