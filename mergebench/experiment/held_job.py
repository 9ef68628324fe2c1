"""The piece of work that says at which scale merges hold their updates."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass

from mergebench.experiment.executors import Report
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import updates_label
from mergebench.experiment.merges import Merges
from mergebench.experiment.monitor import CellDone, CellStarted
from mergebench.measure import Cell, Merged


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
        bench, cells = self.experiment.workbench(), self.cells()
        measured_before = bench.measured
        for one in self.merges:
            label = f"{one.name}, {self._updates}"
            report(CellStarted(label=label))
            measured = bench.measured
            held = next(cells).results.notes
            least, most = (pick(held[task] for task in one.sizes) for pick in (min, max))
            report(
                CellDone(
                    label=label,
                    recalled=bench.measured == measured,
                    outcome=f"updates at {least:.2f} to {most:.2f} of their scale",
                )
            )
        if bench.measured > measured_before:
            gc.collect()  # of problems that a cycle of some attack holds

    def cells(self) -> Iterator[Cell]:
        """Yield the measured or recalled cells in the order of `merges`."""
        first = self.merges[0]
        merges = Merges(self.experiment, first.protection, first.target, first.seed)
        for one in self.merges:
            yield merges.held(one.attack, one.space, one.options, one.alpha)
