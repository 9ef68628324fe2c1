"""The piece of work that says at which scale one merge holds its updates."""

from __future__ import annotations

import gc
from dataclasses import dataclass

from mergebench.experiment.executors import Report
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import updates_label
from mergebench.experiment.merges import Merges
from mergebench.experiment.monitor import CellDone, CellStarted
from mergebench.measure import Cell, Merged


@dataclass(frozen=True, kw_only=True)
class HeldJob:
    """Make one merge again, and compare it with its updates."""

    experiment: Experiment
    merged: Merged

    @property
    def label(self) -> str:
        """What is merged."""
        one = self.merged
        return f"{one.name}, {updates_label(one.protection, one.target, one.seed)}"

    def run(self, report: Report) -> None:
        """Merge and compare."""
        report(CellStarted(label=self.label))
        bench = self.experiment.workbench()
        measured, held = bench.measured, self.cell().results.notes
        least, most = min(held.values()), max(held.values())
        report(
            CellDone(
                label=self.label,
                recalled=bench.measured == measured,
                outcome=f"updates at {least:.2f} to {most:.2f} of their scale",
            )
        )
        if bench.measured > measured:
            gc.collect()  # of problems and their sites, which refer to each other

    def cell(self) -> Cell:
        """Return the measured or recalled cell."""
        one = self.merged
        merges = Merges(self.experiment, one.protection, one.target, one.seed)
        return merges.held(one.attack, one.space, one.options, one.alpha)
