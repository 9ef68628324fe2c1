"""Measures how much a few inputs give back, by attack and by whose update is protected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mergebench.contracts import DataMerger
from mergebench.errors import InputError
from mergebench.experiment.attack_names import RECOVERY, RECOVERY_BUDGETS, check_attack
from mergebench.experiment.context import context_of, described
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import MergeJob
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import measure_standalone, merge_jobs
from mergebench.experiment.stage import run_jobs
from mergebench.measure import FROM_BASE, Cell, Measurements, Recovered


def measure_recovery(
    experiment: Experiment, monitor: Monitor, *, processes: int, attack: str = RECOVERY
) -> Measurements:
    """Return the accuracies on the target by what of it was protected, and by W0 with no merge.

    `attack`: `attack[:rule]@space` that looks at inputs, `RECOVERY_BUDGETS` of each class. A budget
    of 0 is the merge that the attack starts from, if it starts from one, and W0 is attacked if that
    can be. What is missing is measured. Raises `InputError` for an attack that looks at no inputs.
    """
    merger = experiment.setting.attack(check_attack(attack)[0])
    if not isinstance(merger, DataMerger):
        raise InputError(f"attack {merger.label} looks at no inputs; name one that does")
    alone = measure_standalone(experiment, monitor, processes=processes)
    attacked = replace(experiment, attacks=("@".join(check_attack(attack)),))
    jobs = [
        (budget, job)
        for budget in RECOVERY_BUDGETS
        for job in merge_jobs(attacked, (("inputs_per_class", budget),))
    ]
    run_jobs([job for _, job in jobs], monitor, "recovery from merges", processes=processes)
    bench = experiment.workbench()
    zero_shot = bench.zero_shot()
    rows, cells = [], [zero_shot]
    for budget, job in jobs:
        (cell,) = job.cells()
        cells.append(cell)
        rows.append(_row(cell, job, budget, merger))
        if budget == RECOVERY_BUDGETS[0] and merger.starts_from is not None:
            start = zero_shot if job.from_base else bench.store.get(cell.inputs.protocol["start"])
            assert start is not None
            rows.append(_row(start, job, 0, merger))
    context = context_of(replace(experiment, attacks=()), cells)
    context = replace(context, notes=(*context.notes, *_notes(experiment, merger)))
    return Measurements(context=context, standalone=alone.standalone, recovered=tuple(rows))


def _notes(experiment: Experiment, merger: DataMerger) -> Iterator[str]:
    inputs, trainable = experiment.workbench().suite.inputs, experiment.trainable
    for budget in RECOVERY_BUDGETS:
        yield described(merger.with_options(inputs_per_class=budget), inputs, trainable)


def _row(cell: Cell, job: MergeJob, budget: int, merger: DataMerger) -> Recovered:
    assert job.target is not None
    classes = len(job.experiment.workbench().suite.task(job.target).classes)
    seen = int(cell.results.notes.get("images", budget * classes))
    return Recovered(
        seed=job.seed,
        protection=FROM_BASE if job.from_base else job.protection,
        target=job.target,
        inputs_per_class=budget,
        inputs=seen if budget else 0,
        correct=cell.results.correct[job.target],
        size=cell.results.sizes["test"][job.target],
        data=merger.data,
    )
