"""Measures what a leaderboard shows: the standard set, and what comes of it at bounded cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mergebench.experiment.bounded_theft import measure_thefts, of_a_race
from mergebench.experiment.context import context_of
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.single_models import measured_norm
from mergebench.experiment.stopping import measure_standard_set
from mergebench.measure import UNPROTECTED, ZERO_SHOT, Level, Measurements, Standalone
from mergebench.progress import Silent


def measure_worst_case(
    experiment: Experiment,
    levels: Sequence[Level],
    yardsticks: Sequence[str],
    monitor: Monitor,
    *,
    processes: int,
) -> Measurements:
    """Return the merges of `measure_standard_set` and the thefts, measuring what is missing.

    `yardsticks`: the merges without the update, as `attack@space`, which are among the attacks of
    `experiment` as those of `levels` are.
    """
    measured, cells, points = measure_standard_set(
        experiment, levels, yardsticks, monitor, processes=processes
    )
    thefts = measure_thefts(experiment, measured, cells, levels, yardsticks, points)
    alone = tuple(_with_norm(row, experiment) for row in measured.standalone)
    context = context_of(experiment, [*cells, *points.cells])
    context = replace(context, notes=(*context.notes, *of_a_race(experiment)))
    return replace(measured, context=context, standalone=alone, thefts=thefts)


def released_hashes(experiment: Experiment, protection: str) -> dict[str, str]:
    """Return the SHA-256 of the updates with and without `protection`, which are there.

    By `<task>-<protection>-<seed>`.
    """
    bench = experiment.workbench()
    return {
        f"{task}-{name}-{seed}": bench.release_sha256(name, task, seed, Silent())
        for name, task, seed in experiment.releases()
        if name in (protection, UNPROTECTED)
    }


def _with_norm(row: Standalone, experiment: Experiment) -> Standalone:
    if row.release == ZERO_SHOT:
        return row
    bench = experiment.workbench()
    return replace(row, norm=measured_norm(bench, row.release, row.task, row.seed))
