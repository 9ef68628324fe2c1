"""Mergers in the order of what they keep of unprotected updates, and what a protection leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from mergebench.measure import UNPROTECTED, Estimate, bootstrap
from mergebench.report.comparison import Comparison
from mergebench.report.merged_accuracies import AttackInSpace, MergedCell, Table2

_ByTask = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class RankedMerger:
    """One merger in one space.

    `rank`: from 1, by the mean accuracy over all tasks of the unprotected merge, `kept`, in
    percent. `behind`: how many points it is behind the first on the same tasks. Both with a 95 %
    interval over other tasks, None with a single one. `alpha`: the chosen coefficient, `warnings`:
    how many of the merges carry one, by kind. `protected` and `comparisons`: by protection, as of
    `Table2`; None where not all was measured. `places`: by protection its rank, from 1, by the
    accuracy on the target, among the mergers that have one.
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
    measured = [column for column in table.columns if kept[column]]
    measured.sort(key=lambda column: -fmean(kept[column].values()))
    return tuple(_ranked(table, measured, kept))


def _ranked(
    table: Table2, columns: list[AttackInSpace], kept: Mapping[AttackInSpace, _ByTask]
) -> Iterator[RankedMerger]:
    guarded = [one for one in table.protections if one != UNPROTECTED]
    places = {one: _places(table, columns, one) for one in guarded}
    for place, column in enumerate(columns):
        own, first = kept[column], kept[columns[0]]
        differences = [first[task] - own[task] for task in own]
        cell = table.cells[UNPROTECTED, column]
        yield RankedMerger(
            rank=place + 1,
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
    """Return the ranks by accuracy on the target; equal ones stay in the order of `columns`."""
    found = {column: table.cells[protection, column] for column in columns}
    means = {column: cell.target.mean for column, cell in found.items() if cell}
    best_first = sorted(means, key=lambda column: -means[column])
    return {column: place for place, column in enumerate(best_first, start=1)}


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
