"""Scores the released updates of a suite for traps."""

from __future__ import annotations

from collections.abc import Iterator

from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import measure_standalone
from mergebench.measure import UNPROTECTED, Scored, respond
from mergebench.progress import Silent
from mergebench.updates import Update


def score_releases(experiment: Experiment, monitor: Monitor, *, processes: int) -> list[Scored]:
    """Return the scores of all releases, each by inputs of its own task, training what is missing.

    They stand in the order of seeds, protections (`none` first) and tasks.
    """
    measure_standalone(experiment, monitor, processes=processes)
    return list(_scored(experiment))


def score_updates(experiment: Experiment, updates: list[Update]) -> list[Scored]:
    """Return the scores of updates of anybody, by inputs of all tasks of the experiment."""
    bench = experiment.workbench()
    return [
        Scored(
            label=update.label,
            response=respond(
                bench.backbone, update, bench.suite.tasks, precision=bench.setting.precision
            ),
        )
        for update in updates
    ]


def _scored(experiment: Experiment) -> Iterator[Scored]:
    bench = experiment.workbench()
    order = {task: place for place, task in enumerate(bench.suite.task_names)}
    kinds = {name: place for place, name in enumerate((UNPROTECTED, *experiment.protections))}
    releases = sorted(experiment.releases(), key=lambda one: (one[2], kinds[one[0]], order[one[1]]))
    for protection, task, seed in releases:
        update = bench.release(protection, task, seed, Silent())
        response = respond(
            bench.backbone, update, [bench.suite.task(task)], precision=bench.setting.precision
        )
        yield Scored(
            label=f"{task} {protection}",
            response=response,
            protection=protection,
            task=task,
            seed=seed,
        )
