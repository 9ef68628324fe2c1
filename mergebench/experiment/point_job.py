"""The piece of work that tests or confirms one point of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mergebench.experiment.events import ReportingProgress
from mergebench.experiment.executors import Report
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import updates_label
from mergebench.experiment.merges import Merges
from mergebench.experiment.reporting import accuracy_reached, report_cells
from mergebench.measure import Cell
from mergebench.progress import Progress


@dataclass(frozen=True, kw_only=True)
class PointJob:
    """Merge one set of updates by one attack and test it at `alpha`.

    With `confirm` it is looked at on all validation inputs, and not tested. `options`: the
    structural hyper-parameters of the point, changed in the attack.
    """

    experiment: Experiment
    attack: str
    space: str
    protection: str
    target: str | None
    seed: int
    options: Mapping[str, Any]
    alpha: float
    confirm: bool = False

    @property
    def label(self) -> str:
        """What is tested or confirmed, where."""
        updates = updates_label(self.protection, self.target, self.seed)
        at = "".join(f", {name} {value}" for name, value in self.options.items())
        where = f"{self.attack}@{self.space}, {updates}, at alpha {self.alpha:g}{at}"
        return f"{where}, on validation" if self.confirm else where

    def run(self, report: Report) -> None:
        """Merge, and test or confirm."""
        bench = self.experiment.workbench()
        progress = ReportingProgress(report, bench.suite.inputs)
        cells = (job.cell(progress) for job in [self])
        report_cells(report, bench, cells, [self.label], accuracy_reached)

    def cell(self, progress: Progress | None = None) -> Cell:
        """Return the measured or recalled cell; `progress` as of `Merges`."""
        merges = Merges(self.experiment, self.protection, self.target, self.seed, progress)
        return merges.point(self.attack, self.space, self.options, self.alpha, confirm=self.confirm)
