"""The pieces of work of an experiment: one update, or the merges of one set of updates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mergebench.cell import Cell
from mergebench.contracts import Merger, Space
from mergebench.executors import Report
from mergebench.experiment import Experiment
from mergebench.measurements import UNPROTECTED
from mergebench.monitor import CellDone, CellStarted, ReportingProgress
from mergebench.progress import Silent
from mergebench.registry import registry


@dataclass(frozen=True, kw_only=True)
class ZeroShotJob:
    """Measure the backbone itself; a job, so that it has one thread like every other cell."""

    experiment: Experiment

    @property
    def label(self) -> str:
        """What is measured."""
        return "zero-shot"

    def run(self, report: Report) -> None:
        """Measure."""
        report(CellStarted(label=self.label))
        bench = self.experiment.workbench()
        measured, results = bench.measured, bench.zero_shot().results
        right, images = sum(results.correct.values()), sum(results.sizes["test"].values())
        report(
            CellDone(
                label=self.label,
                recalled=bench.measured == measured,
                outcome=f"test accuracy {100 * right / images:.1f}",
            )
        )


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
            merger = registry().get(Merger, attack)
            yield bench.merged(
                merger(**self.experiment.protocol.defects.attack_options(attack)),
                problem,
                self.experiment.protocol,
                protection=self.protection,
                target=self.target,
                norms=norms,
            )
