"""The pieces of work of an experiment: one update, or the merges of one set of updates."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from mergebench.experiment.events import CellDone, CellStarted, ReportingProgress
from mergebench.experiment.executors import Report
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.merges import Merges
from mergebench.experiment.reporting import accuracy_reached, report_cells
from mergebench.experiment.single_models import STORAGE, measured_as_stored
from mergebench.measure import UNPROTECTED, Cell, CellResults, Merged, merged_row
from mergebench.plurals import how_many
from mergebench.progress import Progress


def updates_label(protection: str, target: str | None, seed: int) -> str:
    """Return in words which updates are merged: one per task, that of `target` protected."""
    whose = "all unprotected"
    if target is not None:
        plain = protection == UNPROTECTED
        whose = f"{whose} for {target}" if plain else f"{target} {protection}"
    return f"{whose}, seed {seed}"


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
        bench = self.experiment.workbench()
        cells = (measure() for measure in [bench.zero_shot])
        report_cells(report, bench, cells, [self.label], accuracy_reached)


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
        bench = self.experiment.workbench()
        progress = ReportingProgress(report, bench.suite.inputs)
        measured = bench.measured
        results = bench.standalone(self.protection, self.task, self.seed, progress).results
        if self.protection == UNPROTECTED:
            bench.norm(self.task, self.seed, progress)
        if self.with_curve:
            bench.scale_curve(self.protection, self.task, self.seed, progress)
        for dtype in STORAGE if self.experiment.stores_checkpoints else ():
            measured_as_stored(bench, self.protection, self.task, self.seed, dtype)
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
    """All attacks of one space on one set of updates, sharing what they have in common.

    `options` are changed in all attacks; `from_base`: measure their `DataMerger.from_base`;
    `tested`: as of `Merges.cell`.
    """

    experiment: Experiment
    space: str
    attacks: tuple[str, ...]
    protection: str
    target: str | None
    seed: int
    options: tuple[tuple[str, Any], ...] = ()
    from_base: bool = False
    tested: bool = True

    @property
    def label(self) -> str:
        """What is merged, and in which space."""
        return f"{self.space} merges of {self._updates}"

    @property
    def _updates(self) -> str:
        changed = "".join(f", {name} {value}" for name, value in self.options)
        return f"{self._released}{changed}"

    @property
    def _released(self) -> str:
        if self.from_base:
            return f"W0 for {self.target}, seed {self.seed}"
        return updates_label(self.protection, self.target, self.seed)

    def run(self, report: Report) -> None:
        """Merge, search and measure, one attack after the other."""
        labels = (f"{attack}@{self.space}, {self._updates}" for attack in self.attacks)
        bench = self.experiment.workbench()
        cells = self.cells(ReportingProgress(report, bench.suite.inputs))
        report_cells(report, bench, cells, labels, _searched)

    def cells(self, progress: Progress | None = None) -> Generator[Cell, None, None]:
        """Yield the measured or recalled cells in the order of `attacks`; see `Merges`."""
        merges = Merges(self.experiment, self.protection, self.target, self.seed, progress)
        for attack in self.attacks:
            yield merges.cell(
                attack, self.space, self.options, from_base=self.from_base, tested=self.tested
            )

    def rows(self) -> Iterator[tuple[Merged, Cell]]:
        """Yield the rows of `cells` with them."""
        for name, cell in zip(self.attacks, self.cells(), strict=True):
            attack = self.experiment.setting.attack(name).with_options(**dict(self.options))
            row = merged_row(
                cell, attack=attack, protection=self.protection, from_base=self.from_base
            )
            yield row, cell


def _searched(results: CellResults) -> str:
    return f"alpha {results.alpha:g} of {how_many(len(results.points), 'point')}"
