"""Measures how much a few labelled inputs give back, by the merge that fine-tuning starts from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mergebench.contracts import DataMerger
from mergebench.experiment.attack_names import RECOVERY, RECOVERY_BUDGETS, check_attack
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import MergeJob
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import (
    context_of,
    described,
    from_base_jobs,
    measure_standalone,
)
from mergebench.experiment.stage import run_jobs
from mergebench.measure import FROM_BASE, Cell, Measurements, Recovered


def measure_recovery(experiment: Experiment, monitor: Monitor, *, processes: int) -> Measurements:
    """Return the accuracies on the target from W0, from the unprotected and the protected merges.

    Every target is fine-tuned with each of `RECOVERY_BUDGETS`, and 0 is the start itself; what is
    missing is measured.
    """
    alone = measure_standalone(experiment, monitor, processes=processes)
    jobs = [(budget, job) for budget in RECOVERY_BUDGETS for job in _jobs(experiment, budget)]
    run_jobs([job for _, job in jobs], monitor, "fine-tuning of merges", processes=processes)
    bench = experiment.workbench()
    zero_shot = bench.zero_shot()
    rows, cells = [], [zero_shot]
    for budget, job in jobs:
        (cell,) = job.cells()
        cells.append(cell)
        rows.append(_row(cell, job, budget))
        if budget == RECOVERY_BUDGETS[0]:
            start = zero_shot if job.from_base else bench.store.get(cell.inputs.protocol["start"])
            assert start is not None
            rows.append(_row(start, job, 0))
    context = context_of(replace(experiment, attacks=()), cells)
    context = replace(context, notes=(*context.notes, *_notes(experiment)))
    return Measurements(context=context, standalone=alone.standalone, recovered=tuple(rows))


def _jobs(experiment: Experiment, budget: int) -> Iterator[MergeJob]:
    attack, space = check_attack(RECOVERY)
    options = (("inputs_per_class", budget),)
    yield from from_base_jobs(experiment, RECOVERY, options)
    for protection, target, seed in experiment.merges(RECOVERY):
        yield MergeJob(
            experiment=experiment,
            space=space,
            attacks=(attack,),
            protection=protection,
            target=target,
            seed=seed,
            options=options,
        )


def _notes(experiment: Experiment) -> Iterator[str]:
    merger = experiment.setting.attack(check_attack(RECOVERY)[0])
    assert isinstance(merger, DataMerger)
    inputs, trainable = experiment.workbench().suite.inputs, experiment.trainable
    for budget in RECOVERY_BUDGETS:
        yield described(merger.with_options(inputs_per_class=budget), inputs, trainable)


def _row(cell: Cell, job: MergeJob, budget: int) -> Recovered:
    assert job.target is not None
    return Recovered(
        seed=job.seed,
        protection=FROM_BASE if job.from_base else job.protection,
        target=job.target,
        inputs_per_class=budget,
        inputs=int(cell.results.notes["images"]) if budget else 0,
        correct=cell.results.correct[job.target],
        size=cell.results.sizes["test"][job.target],
    )
