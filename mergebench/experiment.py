"""What a table needs: which adapters and merges, in which order, on how many processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mergebench.cell import Cell
from mergebench.contracts import Merger, Space
from mergebench.errors import InputError
from mergebench.executors import Report, execute
from mergebench.measurements import UNPROTECTED, Context, Measurements
from mergebench.monitor import CellDone, CellStarted, Monitor, ReportingProgress
from mergebench.progress import Silent
from mergebench.protocols import Protocol
from mergebench.registry import registry
from mergebench.rows import merged_row, scale_curve, standalone_row, zero_shot_rows
from mergebench.settings import Setting
from mergebench.workbench import NotMeasuredError, Workbench

TABLE2 = (
    *("ta@full", "ties@full", "ties@knots", "ties@core"),
    *("dare_ties@full", "dare_ties@knots", "dare_ties@core"),
    *("tsv@full", "tsv@knots", "tsv@core", "cart@full", "cart@knots", "cart@core"),
)
"""The attack@space columns of the paper's Table 2, in its order."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One backbone, its suite's tasks, and what is measured on them.

    `setting`: the suite and the recipes of the backbone. `tasks` None: all tasks of the suite.
    `attacks`: `attack@space` names. `protections` without `none`, which every experiment includes.
    `command` is what a caption states.
    """

    backbone: str
    setting: Setting
    protocol: Protocol
    seeds: tuple[int, ...]
    store: Path
    command: str
    tasks: tuple[str, ...] | None = None
    attacks: tuple[str, ...] = TABLE2
    protections: tuple[str, ...] = ("trap2",)
    plugins: tuple[Path, ...] = ()

    def workbench(self) -> Workbench:
        """Return the workbench of this experiment; one per process."""
        return _workbench(self.backbone, self.setting, self.tasks, self.store, self.plugins)

    def releases(self) -> list[tuple[str, str, int]]:
        """Return (protection, task, seed) of every update that is needed, the slow ones first."""
        tasks = self.workbench().suite.task_names
        return [
            (protection, task, seed)
            for seed in self.seeds
            for protection in (*self.protections, UNPROTECTED)
            for task in tasks
        ]

    def merges(self) -> list[tuple[str, str | None, int]]:
        """Return (protection, target, seed) of every set of updates that is merged."""
        tasks = self.workbench().suite.task_names
        protected = [(name, task) for name in self.protections for task in tasks]
        return [
            (protection, target, seed)
            for seed in self.seeds
            for protection, target in [(UNPROTECTED, None), *protected]
        ]


@dataclass(frozen=True, kw_only=True)
class ReleaseJob:
    """Train one update, if it is not there, and measure it on its own task."""

    experiment: Experiment
    protection: str
    task: str
    seed: int
    with_curve: bool = False

    @property
    def label(self) -> str:
        """What is trained."""
        return f"{self.task} {self.protection}, seed {self.seed}"

    def run(self, report: Report) -> None:
        """Train and measure."""
        report(CellStarted(label=self.label))
        bench, progress = self.experiment.workbench(), ReportingProgress(report)
        measured = bench.measured
        results = bench.standalone(self.protection, self.task, self.seed, progress).results
        if self.protection == UNPROTECTED:
            bench.norm(self.task, self.seed, progress)
        if self.with_curve:
            bench.scale_curve(self.protection, self.task, self.seed, progress)
        accuracy = results.correct[self.task] / results.sizes["test"][self.task]
        report(
            CellDone(
                label=self.label,
                recalled=bench.measured == measured,
                outcome=f"test accuracy {100 * accuracy:.1f}",
            )
        )


@dataclass(frozen=True, kw_only=True)
class MergeJob:
    """All attacks of one space on one set of updates, sharing what they have in common."""

    experiment: Experiment
    space: str
    attacks: tuple[str, ...]
    protection: str
    target: str | None
    seed: int

    @property
    def label(self) -> str:
        """What is merged, and in which space."""
        return f"{self.space} merges of {self._updates}"

    @property
    def _updates(self) -> str:
        whose = f"{self.target} {self.protection}" if self.target else "all unprotected"
        return f"{whose}, seed {self.seed}"

    def run(self, report: Report) -> None:
        """Merge, search and measure, one attack after the other."""
        bench, cells = self.experiment.workbench(), self.cells()
        for attack in self.attacks:
            label = f"{attack}@{self.space}, {self._updates}"
            report(CellStarted(label=label))
            measured = bench.measured
            results = next(cells).results
            report(
                CellDone(
                    label=label,
                    recalled=bench.measured == measured,
                    outcome=f"alpha {results.alpha:g} of {len(results.points)} points",
                )
            )

    def cells(self) -> Iterator[Cell]:
        """Yield the measured or recalled cells in the order of `attacks`."""
        bench = self.experiment.workbench()
        norms = {task: bench.norm(task, self.seed, Silent()) for task in bench.suite.task_names}
        space = registry().get(Space, self.space)()
        problem = bench.problem(space, self.protection, self.target, self.seed, Silent())
        for attack in self.attacks:
            yield bench.merged(
                registry().get(Merger, attack)(),
                problem,
                self.experiment.protocol,
                protection=self.protection,
                target=self.target,
                norms=norms,
            )


def measure_standalone(
    experiment: Experiment, monitor: Monitor, *, processes: int, curves: bool = False
) -> Measurements:
    """Return the standalone accuracies (and scale curves), training what is missing."""
    jobs = [
        ReleaseJob(
            experiment=experiment, protection=protection, task=task, seed=seed, with_curve=curves
        )
        for protection, task, seed in experiment.releases()
    ]
    _run(jobs, monitor, "adapters", len(jobs), processes)
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
    context = _context(experiment, cells)
    return Measurements(context=context, standalone=tuple(rows), curves=tuple(lines))


def measure_merges(experiment: Experiment, monitor: Monitor, *, processes: int) -> Measurements:
    """Return the merged accuracies of all attacks, measuring what is missing."""
    alone = measure_standalone(experiment, monitor, processes=processes)
    jobs = _merge_jobs(experiment)
    _run(jobs, monitor, "merges", sum(len(job.attacks) for job in jobs), processes)
    cells = [cell for job in jobs for cell in job.cells()]
    order = {name: place for place, name in enumerate(experiment.attacks)}
    rows = sorted(
        (merged_row(cell) for cell in cells),
        key=lambda row: (row.seed, order[f"{row.attack}@{row.space}"]),
    )
    context = _context(experiment, [*cells, experiment.workbench().zero_shot()])
    return Measurements(context=context, standalone=alone.standalone, merged=tuple(rows))


def _merge_jobs(experiment: Experiment) -> list[MergeJob]:
    by_space: dict[str, list[str]] = {}
    for name in experiment.attacks:
        attack, space = check_attack(name)
        by_space.setdefault(space, []).append(attack)
    return [
        MergeJob(
            experiment=experiment,
            space=space,
            attacks=tuple(attacks),
            protection=protection,
            target=target,
            seed=seed,
        )
        for protection, target, seed in experiment.merges()
        for space, attacks in by_space.items()
    ]


def check_attack(name: str) -> tuple[str, str]:
    """Return attack and space of `attack[@space]`; the attack's first space if none is given.

    Raises `InputError` for unknown names and for a space in which the attack is not defined.
    """
    attack, _, space = name.partition("@")
    merger = registry().get(Merger, attack)
    space = space or merger.spaces[0]
    registry().get(Space, space)
    if space not in merger.spaces:
        raise InputError(
            f"attack {attack} is not defined in space {space}; "
            f"choose from: {', '.join(f'{attack}@{known}' for known in merger.spaces)}"
        )
    return attack, space


def _run(
    jobs: Sequence[ReleaseJob] | Sequence[MergeJob],
    monitor: Monitor,
    what: str,
    cells: int,
    processes: int,
) -> None:
    """Do the jobs; those that are in the store occupy no process."""
    with monitor.stage(what, cells):
        missing = [job for job in jobs if not _recalled(job, monitor)]
        for _ in execute(missing, processes=processes, on_event=monitor.event):
            pass


def _recalled(job: ReleaseJob | MergeJob, monitor: Monitor) -> bool:
    """Whether all that the job measures is in the store; it is shown as done then."""
    events: list[Any] = []
    try:
        with job.experiment.workbench().recalling_only():
            job.run(events.append)
    except NotMeasuredError:
        return False
    for event in events:
        monitor.event(0, event)
    return True


@lru_cache(maxsize=1)
def _workbench(
    backbone: str,
    setting: Setting,
    tasks: tuple[str, ...] | None,
    store: Path,
    plugins: tuple[Path, ...],
) -> Workbench:
    for plugin in plugins:
        registry().add_file(plugin)
    return Workbench(backbone, setting, tasks, store)


def _context(experiment: Experiment, cells: Sequence[Cell]) -> Context:
    newest = max(cells, key=lambda cell: cell.run.finished)
    bench = experiment.workbench()
    notes = []
    if bench.setting.search_per_task is not None:
        notes.append(
            f"Merges are tuned on {bench.setting.search_per_task} class-balanced validation "
            "images per task."
        )
    versions: Mapping[str, str] = newest.run.versions
    return Context(
        command=experiment.command,
        date=newest.run.finished[:10],
        backbone=bench.backbone.name,
        backbone_sha256=bench.backbone.sha256,
        suite=bench.suite.name,
        suite_sha256=bench.suite.sha256,
        tasks=bench.suite.task_names,
        protocol=experiment.protocol.name,
        seeds=experiment.seeds,
        precision=bench.setting.precision,
        versions=versions,
        notes=tuple(notes),
    )
