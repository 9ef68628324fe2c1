"""Mergers in the order of what they keep of unprotected updates, and what a protection leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from mergebench.measure import ROUNDING, UNPROTECTED, Estimate, bootstrap
from mergebench.report.comparison import Comparison
from mergebench.report.merged_accuracies import AttackInSpace, MergedCell, Table2

_ByTask = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class RankedMerger:
    """One merger in one space.

    `rank`: from 1, by the mean accuracy over all tasks of the unprotected merge, `kept`, in
    percent; equal ones share one, and the next counts them all. `behind`: how many points it is
    behind the first on the same tasks. Both means with a 95 % interval over other tasks, None with
    a single one. `alpha`: the chosen coefficient, `warnings`: how many of the merges carry one, by
    kind. `protected` and `comparisons`: by protection, as of `Table2`; None where not all was
    measured. `places`: by protection its rank, likewise, by the accuracy on the target, among the
    mergers that have one.
    """

    rank: int
    column: AttackInSpace
    kept: Estimate
    behind: Estimate
    alpha: float
    warnings: Mapping[str, int]
    protected: Mapping[str, MergedCell | None]
    comparisons: Mapping[str, Comparison | None]
    places: Mapping[str, int | None]

    @property
    def ties_with_first(self) -> bool:
        """Whether the distance to the first may be that of these tasks alone."""
        return self.behind.interval is None or 0.0 in self.behind.interval


def rank_mergers(table: Table2) -> tuple[RankedMerger, ...]:
    """Return the mergers whose unprotected merge was measured, the best first.

    Equal ones stay in the order of the columns.
    """
    kept = {column: _by_task(table, column) for column in table.columns}
    kept = {column: own for column, own in kept.items() if own}
    ranks = _ranks({column: fmean(own.values()) for column, own in kept.items()})
    return tuple(_ranked(table, ranks, kept))


def _ranked(
    table: Table2, ranks: Mapping[AttackInSpace, int], kept: Mapping[AttackInSpace, _ByTask]
) -> Iterator[RankedMerger]:
    guarded = [one for one in table.protections if one != UNPROTECTED]
    places = {one: _places(table, [*ranks], one) for one in guarded}
    first = kept[next(iter(ranks))] if ranks else {}
    for column, rank in ranks.items():
        own = kept[column]
        differences = [first[task] - own[task] for task in own]
        cell = table.cells[UNPROTECTED, column]
        yield RankedMerger(
            rank=rank,
            column=column,
            kept=_mean([*own.values()]),
            behind=_mean(differences),
            alpha=cell.alpha if cell else 0.0,
            warnings=cell.warnings if cell else {},
            protected={one: table.cells[one, column] for one in guarded},
            comparisons={one: table.comparisons.get((one, column)) for one in guarded},
            places={one: places[one].get(column) for one in guarded},
        )


def _places(
    table: Table2, columns: Sequence[AttackInSpace], protection: str
) -> dict[AttackInSpace, int]:
    """Return the ranks by accuracy on the target."""
    found = {column: table.cells[protection, column] for column in columns}
    return _ranks({column: cell.target.mean for column, cell in found.items() if cell})


def _ranks(means: Mapping[AttackInSpace, float]) -> dict[AttackInSpace, int]:
    """Return ranks from 1, the largest mean first; means equal up to rounding share one."""
    units = {column: round(mean / ROUNDING) for column, mean in means.items()}
    best_first = sorted(units, key=lambda column: -units[column])
    return {one: 1 + sum(other > units[one] for other in units.values()) for one in best_first}


def _mean(by_task: list[float]) -> Estimate:
    return Estimate(value=fmean(by_task), interval=bootstrap(by_task))


def _by_task(table: Table2, column: AttackInSpace) -> dict[str, float]:
    """Return the unprotected merge's accuracy by task in percent, mean over seeds.

    Nothing if there is none, or if not all tasks were tested.
    """
    merges = {
        view.merged.key: view.merged
        for view in table.views
        if view.merged.protection == UNPROTECTED
        and (view.merged.attack, view.merged.space) == column
    }
    if not merges or any(set(one.correct) != set(table.tasks) for one in merges.values()):
        return {}
    return {
        task: fmean(100 * one.correct[task] / one.sizes[task] for one in merges.values())
        for task in table.tasks
    }
