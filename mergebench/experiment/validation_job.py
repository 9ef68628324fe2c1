"""The piece of work that a choice between updates is made from."""

from __future__ import annotations

from dataclasses import dataclass

from mergebench.experiment.events import CellDone, CellStarted, ReportingProgress
from mergebench.experiment.executors import Report
from mergebench.experiment.experiment import Experiment
from mergebench.measure import OFF_NOMINAL, UNPROTECTED, OnValidation
from mergebench.progress import Progress


@dataclass(frozen=True, kw_only=True)
class ValidationJob:
    """Train one update, if it is not there, and look at it on validation inputs alone."""

    experiment: Experiment
    protection: str
    task: str
    seed: int

    @property
    def label(self) -> str:
        """What is trained."""
        strength = self.strength
        shown = "" if strength is None else f", λ {strength:g}"
        return f"{self.task} {self.protection}{shown}, seed {self.seed}"

    @property
    def strength(self) -> float | None:
        """The strength of the protection; None for a plain update."""
        if self.protection == UNPROTECTED:
            return None
        found: float = self.experiment.setting.protection(self.protection).options()["strength"]
        return found

    def run(self, report: Report) -> None:
        """Train and measure."""
        report(CellStarted(label=self.label))
        bench = self.experiment.workbench()
        measured = bench.measured
        found = self.found(ReportingProgress(report, bench.suite.inputs))
        report(
            CellDone(
                label=self.label,
                recalled=bench.measured == measured,
                outcome=f"validation accuracy {found.accuracy:.1f}, "
                f"{found.off_nominal_accuracy:.1f} at other scales",
            )
        )

    def found(self, progress: Progress) -> OnValidation:
        """Return what was measured or recalled."""
        cell = self.experiment.workbench().validation_curve(
            self.protection, self.task, self.seed, OFF_NOMINAL, progress
        )
        nominal, *others = (point.counts[self.task] for point in cell.results.points)
        return OnValidation(
            strength=self.strength,
            correct=nominal,
            off_nominal=dict(zip(OFF_NOMINAL, others, strict=True)),
            size=cell.results.sizes["val"][self.task],
        )
