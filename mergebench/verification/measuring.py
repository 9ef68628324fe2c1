"""Measures stated cells again and compares their counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mergebench.experiment import (
    Experiment,
    MergeJob,
    Monitor,
    ReleaseJob,
    ZeroShotJob,
    check_attack,
    run_jobs,
)
from mergebench.measure import Cell, CellRun
from mergebench.progress import Silent
from mergebench.verification.stated import StatedCell, StatedTable


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A stated cell and what was measured now; `tolerance`: inputs by which a count may differ."""

    stated: StatedCell
    measured: Cell
    tolerance: int

    @property
    def differences(self) -> dict[str, int]:
        """Measured minus stated correct inputs, by the tasks for which counts are stated."""
        correct = self.measured.results.correct
        return {task: correct[task] - count for task, count in self.stated.correct.items()}

    @property
    def passed(self) -> bool:
        """Whether all counts are within the tolerance, on as many test inputs."""
        sizes = self.measured.results.sizes["test"]
        same_inputs = all(sizes[task] == size for task, size in self.stated.sizes.items())
        worst = max(map(abs, self.differences.values()))
        return same_inputs and worst <= self.tolerance


def other_inputs(table: StatedTable, experiment: Experiment) -> Iterator[str]:
    """Yield a sentence for the backbone and the suite if they are not those of the table."""
    bench = experiment.workbench()
    found = {
        "Backbone": f"{bench.backbone.name} (sha256 {bench.backbone.sha256})",
        "Suite": f"{bench.suite.name} (sha256 {bench.suite.sha256})",
    }
    yield from _unlike(table, found)


def other_environment(table: StatedTable, experiment: Experiment) -> Iterator[str]:
    """Yield a sentence for each package that has another version here, and for another device.

    With these, training and rounding may take another course, and counts differ by some inputs.
    """
    bench = experiment.workbench()
    run = CellRun.now(0.0, bench.backbone.device)
    for part in filter(None, table.facts.get("Versions", "").split(", ")):
        package, _, version = part.partition(" ")
        here = run.versions.get(package, "not installed")
        if here != version:
            yield f"{table.file.name}: {package} is {version} there, {here} here."
    yield from _unlike(table, {"Precision": f"{bench.setting.precision} on {run.place}"})


def _unlike(table: StatedTable, found: Mapping[str, str]) -> Iterator[str]:
    for what, here in found.items():
        stated = table.facts.get(what, "not stated")
        if stated != here:
            yield f"{table.file.name}: {what} is {stated} there, {here} here."


def compared(
    table: StatedTable,
    experiment: Experiment,
    monitor: Monitor,
    *,
    processes: int,
    tolerance: int = 0,
) -> list[Comparison]:
    """Measure the cells of `table`, but for those in the store of `experiment`, and compare them.

    Their updates are trained first. Raises `InputError` for an attack, space or protection that is
    not there.
    """
    wanted = sorted({release for cell in table.cells for release in cell.releases})
    releases = [
        ReleaseJob(experiment=experiment, protection=protection, task=task, seed=seed)
        for protection, task, seed in wanted
    ]
    merges = {id(cell): _merge(cell, experiment) for cell in table.cells if cell.attack}
    if any(cell.protection is None for cell in table.cells):
        run_jobs([ZeroShotJob(experiment=experiment)], monitor, "zero-shot", processes=1)
    run_jobs(releases, monitor, "adapters", processes=processes)
    run_jobs([*merges.values()], monitor, "merges", processes=processes)
    return [
        Comparison(
            stated=cell,
            measured=next(merges[id(cell)].cells())
            if id(cell) in merges
            else _standalone(cell, experiment),
            tolerance=tolerance,
        )
        for cell in table.cells
    ]


def _merge(cell: StatedCell, experiment: Experiment) -> MergeJob:
    check_attack(f"{cell.attack}@{cell.space}")
    return MergeJob(
        experiment=experiment,
        space=str(cell.space),
        attacks=(str(cell.attack),),
        protection=str(cell.protection),
        target=cell.target,
        seed=cell.seed,
        from_base=cell.from_base,
    )


def _standalone(cell: StatedCell, experiment: Experiment) -> Cell:
    bench = experiment.workbench()
    if cell.protection is None or cell.target is None:
        return bench.zero_shot()
    return bench.standalone(cell.protection, cell.target, cell.seed, Silent())
