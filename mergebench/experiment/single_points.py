"""Merges that validation chose, looked at once more: at a point of their search, made for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.point_job import PointJob
from mergebench.experiment.stage import run_jobs
from mergebench.measure import FULL, Cell, Choice, Merged, warnings_on_test


class SinglePoints:
    """Tests merges and confirms them, measuring what is missing.

    `cells`: of all points that were looked at.
    """

    def __init__(self, experiment: Experiment, monitor: Monitor, *, processes: int) -> None:
        self._experiment, self._monitor, self._processes = experiment, monitor, processes
        self.cells: list[Cell] = []

    def tested(
        self, merges: Iterable[Merged], changed: Iterable[Mapping[str, Any]] | None = None
    ) -> list[Merged]:
        """Return the merges, tested at their `alpha` and `options`, in their order.

        Those that were tested as they are. `changed`: of each the options that its attack was given
        before the search.
        """
        given = [*merges]
        options = [{}] * len(given) if changed is None else changed
        jobs = [
            None if one.correct else self._job(one, own)
            for one, own in zip(given, options, strict=True)
        ]
        cells = self._run([job for job in jobs if job is not None], "points")
        return [
            one if job is None else _with_test_counts(one, cells[job.label])
            for one, job in zip(given, jobs, strict=True)
        ]

    def confirmed(self, merges: Sequence[Merged], choices: Iterable[Choice]) -> list[Merged]:
        """Return the merges in their order, the finalists of `choices` among them being confirmed.

        That is looked at on all validation inputs, unless their searches saw these.
        """
        wanted = {id(one) for choice in choices for one in choice.finalists}
        missing = [one for one in merges if id(one) in wanted and not one.confirmed]
        if self._experiment.setting.search_per_task is None:
            seen = {id(one): (one.validated, one.validation_sizes) for one in missing}
        else:
            jobs = {id(one): replace(self._job(one, {}), confirm=True) for one in missing}
            cells = self._run([*jobs.values()], "finalists")
            found = {key: cells[job.label].results for key, job in jobs.items()}
            seen = {key: (one.points[0].counts, one.sizes[FULL]) for key, one in found.items()}
        return [
            replace(one, confirmed=seen[id(one)][0], confirmation_sizes=seen[id(one)][1])
            if id(one) in seen
            else one
            for one in merges
        ]

    def _job(self, merged: Merged, changed: Mapping[str, Any]) -> PointJob:
        return PointJob(
            experiment=self._experiment,
            attack=merged.attack,
            space=merged.space,
            protection=merged.protection,
            target=merged.target,
            seed=merged.seed,
            options={**changed, **merged.options},
            alpha=merged.alpha,
        )

    def _run(self, jobs: Iterable[PointJob], what: str) -> dict[str, Cell]:
        """Return the cells of the jobs by their label; equal ones are run once."""
        each = {job.label: job for job in jobs}
        run_jobs([*each.values()], self._monitor, what, processes=self._processes)
        found = {label: job.cell() for label, job in each.items()}
        self.cells += found.values()
        return found


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
