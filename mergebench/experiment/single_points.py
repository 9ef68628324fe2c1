"""Merges that validation chose, looked at once more: at a point of their search, made for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.point_job import PointJob
from mergebench.experiment.stage import run_jobs
from mergebench.measure import FULL, Cell, Merged, warnings_on_test

Options = Mapping[str, Any]


class SinglePoints:
    """Tests merges and confirms them, measuring what is missing.

    `cells`: of all points that were looked at.
    """

    def __init__(self, experiment: Experiment, monitor: Monitor, *, processes: int) -> None:
        self._experiment, self._monitor, self._processes = experiment, monitor, processes
        self.cells: list[Cell] = []

    def tested(
        self, merges: Iterable[Merged], changed: Iterable[Options] | None = None
    ) -> list[Merged]:
        """Return the merges, tested at their `alpha` and `options`, in their order.

        Those that were tested as they are. `changed`: of each the options that its attack was given
        before the search.
        """
        given = [*merges]
        cells = self._cells([not one.correct for one in given], given, changed, confirm=False)
        return [
            one if cell is None else _with_test_counts(one, cell)
            for one, cell in zip(given, cells, strict=True)
        ]

    def confirmed(
        self, merges: Iterable[Merged], changed: Iterable[Options] | None = None
    ) -> list[Merged]:
        """Return the merges, looked at on all validation inputs at these points, in their order.

        Those that were as they are. `changed`: as of `tested`.
        """
        given = [*merges]
        if self._experiment.setting.search_per_task is None:  # searches saw all of them
            return [_confirmed(one, one.validated, one.validation_sizes) for one in given]
        cells = self._cells([not one.confirmed for one in given], given, changed, confirm=True)
        return [
            one
            if cell is None
            else _confirmed(
                replace(one, empty=one.empty or cell.results.leaves_base),
                cell.results.points[0].counts,
                cell.results.sizes[FULL],
            )
            for one, cell in zip(given, cells, strict=True)
        ]

    def _cells(
        self,
        missing: Sequence[bool],
        merges: Sequence[Merged],
        changed: Iterable[Options] | None,
        *,
        confirm: bool,
    ) -> list[Cell | None]:
        """Return the cells of the merges where they are missing; equal ones are run once."""
        options = [{}] * len(merges) if changed is None else [*changed]
        jobs = [
            self._job(one, own, confirm=confirm) if wanted else None
            for wanted, one, own in zip(missing, merges, options, strict=True)
        ]
        each = {job.label: job for job in jobs if job is not None}
        what = "finalists" if confirm else "points"
        run_jobs([*each.values()], self._monitor, what, processes=self._processes)
        found = {label: job.cell() for label, job in each.items()}
        self.cells += found.values()
        return [None if job is None else found[job.label] for job in jobs]

    def _job(self, merged: Merged, changed: Options, *, confirm: bool) -> PointJob:
        return PointJob(
            experiment=self._experiment,
            attack=merged.attack,
            space=merged.space,
            protection=merged.protection,
            target=merged.target,
            seed=merged.seed,
            options={**changed, **merged.options},
            alpha=merged.alpha,
            confirm=confirm,
        )


def _confirmed(merged: Merged, counts: Mapping[str, int], sizes: Mapping[str, int]) -> Merged:
    return replace(merged, confirmed=counts, confirmation_sizes=sizes)


def _with_test_counts(merged: Merged, cell: Cell) -> Merged:
    results = cell.results
    return replace(
        merged,
        correct=results.correct,
        hits=results.hits,
        warnings=warnings_on_test(
            merged.warnings, results, merged.validated, merged.validation_sizes
        ),
    )
