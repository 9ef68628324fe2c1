"""Runs an experiment: what is missing on several processes, the rest from the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from mergebench.experiment.attack_names import check_attack
from mergebench.experiment.context import context_of
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import MergeJob, ReleaseJob, ZeroShotJob
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.single_models import STORAGE, measured_as_stored
from mergebench.experiment.stage import run_jobs
from mergebench.experiment.training_costs import training_costs
from mergebench.measure import (
    FROM_BASE,
    UNPROTECTED,
    Cell,
    Measurements,
    Merged,
    Stored,
    scale_curve,
    standalone_row,
    stored_row,
    zero_shot_rows,
)
from mergebench.progress import Silent


def measure_standalone(
    experiment: Experiment, monitor: Monitor, *, processes: int, curves: bool = False
) -> Measurements:
    """Return the standalone accuracies (and scale curves), training what is missing."""
    zero_shot = ZeroShotJob(experiment=experiment)
    releases = [
        ReleaseJob(
            experiment=experiment, protection=protection, task=task, seed=seed, with_curve=curves
        )
        for protection, task, seed in experiment.releases()
    ]
    what = "adapters" if experiment.setting.release == "lora" else "updates"
    if experiment.executor is None:
        run_jobs([zero_shot], monitor, "zero-shot", processes=processes)
        run_jobs(releases, monitor, what, processes=processes)
    else:  # where a stage waits for its turn
        run_jobs([zero_shot, *releases], monitor, f"zero-shot and {what}", processes=processes)
    return _recalled_standalone(experiment, curves=curves)


def _recalled_standalone(experiment: Experiment, *, curves: bool) -> Measurements:
    bench = experiment.workbench()
    zero_shot = bench.zero_shot()
    cells, rows, lines = [zero_shot], zero_shot_rows(zero_shot, experiment.seeds), []
    for protection, task, seed in experiment.releases():
        cell = bench.standalone(protection, task, seed, Silent())
        cells.append(cell)
        rows.append(standalone_row(cell, protection, task))
        if curves:
            curve = bench.scale_curve(protection, task, seed, Silent())
            cells.append(curve)
            lines.append(scale_curve(curve, protection, task))
    context = context_of(experiment, cells)
    context = replace(context, notes=(*context.notes, *training_costs(experiment)))
    return Measurements(
        context=context,
        standalone=tuple(rows),
        curves=tuple(lines),
        stored=tuple(_recalled_stored(experiment)),
    )


def _recalled_stored(experiment: Experiment) -> Iterator[Stored]:
    bench = experiment.workbench()
    for release in experiment.releases() if experiment.stores_checkpoints else ():
        for dtype in STORAGE:
            yield stored_row(measured_as_stored(bench, *release, dtype), *release[:2], dtype)


def measure_merges(experiment: Experiment, monitor: Monitor, *, processes: int) -> Measurements:
    """Return the merged accuracies of all attacks, measuring what is missing."""
    return measure_merges_and_cells(experiment, monitor, processes=processes)[0]


def measure_merges_and_cells(
    experiment: Experiment, monitor: Monitor, *, processes: int
) -> tuple[Measurements, list[Cell]]:
    """Return what `measure_merges` returns, and the cells of the merges in the same order."""
    alone = measure_standalone(experiment, monitor, processes=processes)
    pairs = measure_pairs(experiment, monitor, processes=processes)
    return with_merges(experiment, alone, pairs)


def measure_pairs(
    experiment: Experiment, monitor: Monitor, *, processes: int, tested: bool = True
) -> list[tuple[Merged, Cell]]:
    """Return the merges of updates that are there with their cells, measuring what is missing.

    `tested`: as of `Merges.cell`.
    """
    jobs = [replace(job, tested=tested) for job in merge_jobs(experiment)]
    run_jobs(jobs, monitor, "merges", processes=processes)
    return _recalled_pairs(experiment, jobs)


def recall_merges(experiment: Experiment) -> tuple[Measurements, list[Cell]]:
    """Return what `measure_merges` returns, and the cells of the merges, from the store alone.

    Raises `NotMeasuredError` if something was not measured.
    """
    with experiment.workbench().recalling_only():
        alone = _recalled_standalone(experiment, curves=False)
        return with_merges(experiment, alone, _recalled_pairs(experiment, merge_jobs(experiment)))


def _recalled_pairs(experiment: Experiment, jobs: Iterable[MergeJob]) -> list[tuple[Merged, Cell]]:
    found = [pair for job in jobs for pair in job.rows()]
    attacks, protections = experiment.attacks, (FROM_BASE, UNPROTECTED, *experiment.protections)

    def place(pair: tuple[Merged, Cell]) -> tuple[int, int, int]:
        row = pair[0]
        attack = attacks.index(f"{row.attack}@{row.space}")
        return row.seed, attack, protections.index(row.protection)

    return sorted(found, key=place)


def with_merges(
    experiment: Experiment, alone: Measurements, pairs: Sequence[tuple[Merged, Cell]]
) -> tuple[Measurements, list[Cell]]:
    """Return the measurements of `alone` with these merges, and the cells of the latter."""
    cells = [cell for _, cell in pairs]
    context = context_of(experiment, [*cells, experiment.workbench().zero_shot()])
    rows = tuple(row for row, _ in pairs)
    return replace(alone, context=context, merged=rows), cells


def merge_jobs(experiment: Experiment, options: tuple[tuple[str, Any], ...] = ()) -> list[MergeJob]:
    """Return one job per set of updates and space, with the attacks that share them.

    Attacks that could start from W0 as well do so for every target. `options`: changed in all
    attacks.
    """
    attacks: dict[tuple[str, str | None, int, str], list[str]] = {}
    for name in experiment.attacks:
        attack, space = check_attack(name)
        for updates in experiment.merges(name):
            attacks.setdefault((*updates, space), []).append(attack)
    return [
        MergeJob(
            experiment=experiment,
            space=space,
            attacks=tuple(names),
            protection=protection,
            target=target,
            seed=seed,
            options=options,
        )
        for (protection, target, seed, space), names in attacks.items()
    ] + [job for name in experiment.attacks for job in _from_base_jobs(experiment, name, options)]


def _from_base_jobs(
    experiment: Experiment, name: str, options: tuple[tuple[str, Any], ...]
) -> list[MergeJob]:
    """Return the jobs of attack `name` on W0, one per target and seed; none if it needs a merge."""
    attack, space = check_attack(name)
    if not experiment.starts_from_base(name):
        return []
    return [
        MergeJob(
            experiment=experiment,
            space=space,
            attacks=(attack,),
            protection=UNPROTECTED,
            target=target,
            seed=seed,
            options=options,
            from_base=True,
        )
        for protection, target, seed in experiment.merges(name)
        if protection == UNPROTECTED
    ]
