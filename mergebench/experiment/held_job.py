"""The piece of work that says at which scale merges hold their updates."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from mergebench.experiment.executors import Report
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import updates_label
from mergebench.experiment.merges import Merges
from mergebench.experiment.reporting import report_cells
from mergebench.measure import Cell, CellResults, Merged


@dataclass(frozen=True, kw_only=True)
class HeldJob:
    """Make the merges of one set of updates again, and compare each with its updates."""

    experiment: Experiment
    merges: tuple[Merged, ...]

    @property
    def label(self) -> str:
        """Whose merges are compared."""
        return f"merges of {self._updates}"

    @property
    def _updates(self) -> str:
        one = self.merges[0]
        return updates_label(one.protection, one.target, one.seed)

    def run(self, report: Report) -> None:
        """Merge and compare, one after the other."""
        labels = (f"{one.name}, {self._updates}" for one in self.merges)
        bench, cells = self.experiment.workbench(), self.cells()
        report_cells(report, bench, cells, labels, self._held)

    def _held(self, results: CellResults) -> str:
        scales = [results.notes[task] for task in self.merges[0].sizes]
        return f"updates at {min(scales):.2f} to {max(scales):.2f} of their scale"

    def cells(self) -> Generator[Cell, None, None]:
        """Yield the measured or recalled cells in the order of `merges`."""
        first = self.merges[0]
        merges = Merges(self.experiment, first.protection, first.target, first.seed)
        for one in self.merges:
            yield merges.held(one.attack, one.space, one.options, one.alpha)
