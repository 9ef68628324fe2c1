"""Measures the experiment of a baseline anew, compares it, or makes it the new baseline."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mergebench.errors import InputError
from mergebench.experiment import Experiment, Merges, Monitor, measure_merges, measure_standalone
from mergebench.measure import code_revision, deployed, results_on_test
from mergebench.plurals import how_many
from mergebench.progress import Silent
from mergebench.regression.baseline import (
    Baseline,
    Measured,
    RegressionExperiment,
    adapters_of,
    environment,
    read_baseline,
    write_baseline,
)
from mergebench.regression.comparing import Change, Checked, Verdict, changes
from mergebench.regression.outcomes import Outcome, outcome_name, outcome_of
from mergebench.updates import save_adapter


def check(file: Path, monitor: Monitor, *, processes: int, exact: bool = False) -> Checked:
    """Measure the experiment of the baseline `file` in a new store and compare.

    Nothing is recalled, so that a change of code that raised no version shows too. In another
    environment a search may choose another of points that are nearly as good: a merge that moved
    with its point is then measured at the baseline's point too, unless `exact`. Nothing is measured
    if the suite, the backbone or the kept adapters are others than the baseline's. What the
    baseline has and is measured no longer is a failure, as what moved is. Raises `InputError` for a
    baseline that was never measured.
    """
    baseline = read_baseline(file)
    if baseline.measured is None:
        raise InputError(f"baseline {file} has no measurement: run `mergebench check --update`")
    with tempfile.TemporaryDirectory() as scratch:
        run = _Run(baseline.experiment, adapters_of(file), Path(scratch), processes)
        other_inputs = tuple(_other_inputs(run.inputs(), baseline.measured))
        if other_inputs:
            return Checked(other_inputs=other_inputs)
        before, after = baseline.measured.outcomes, run.outcomes(monitor)
        tolerance = baseline.experiment.tolerance
        found = changes(before, after, tolerance, exact=exact)
        repeated = {}
        if not exact and environment() != baseline.measured.environment:
            repeated = {
                change.name: outcome
                for change in found
                if change.verdict is Verdict.MOVED and change.before.point != change.after.point
                if (outcome := run.outcome_at(change.name, change.before)) is not None
            }
            found = changes(before, {**after, **repeated}, tolerance)
    return Checked(
        changes=tuple(found),
        vanished=tuple(name for name in before if name not in after),
        at_baseline_point=tuple(repeated),
    )


def update(file: Path, monitor: Monitor, *, processes: int) -> Checked:
    """Measure the experiment anew and write it into the baseline `file`; return what changed.

    The first time its adapters are trained and kept beside the file. Raises `InputError`, and
    writes nothing, when counts changed although no version of an attack, space or protection behind
    them was raised. In another environment only what moved beyond the tolerance counts as changed.
    """
    baseline = read_baseline(file)
    before = baseline.measured
    with tempfile.TemporaryDirectory() as scratch:
        run = _Run(baseline.experiment, adapters_of(file), Path(scratch), processes)
        if before is None:
            run.keep_adapters(monitor)
        inputs = run.inputs()
        measured = Measured(
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            revision=code_revision(),
            environment=environment(),
            backbone_sha256=inputs["backbone"],
            suite_sha256=inputs["suite"],
            updates={name: sha for name, sha in inputs.items() if name.startswith("adapter")},
            outcomes=run.outcomes(monitor),
        )
    found: list[Change] = []
    if before is not None and not [*_other_inputs(inputs, before)]:
        exact = before.environment == measured.environment
        tolerance = baseline.experiment.tolerance
        found = changes(before.outcomes, measured.outcomes, tolerance, exact=exact)
        _require_raised_versions(found)
    write_baseline(file, Baseline(experiment=baseline.experiment, measured=measured))
    return Checked(changes=tuple(found))


class _Run:
    """One measurement of an experiment: trained anew, and with the kept adapters."""

    def __init__(
        self, spec: RegressionExperiment, adapters: Path, scratch: Path, processes: int
    ) -> None:
        self._trained = spec.experiment(scratch / "trained")
        self._kept = spec.experiment(scratch / "kept", adapters)
        self._adapters = adapters
        self._processes = processes

    def keep_adapters(self, monitor: Monitor) -> None:
        """Train the adapters and write them where they are kept."""
        measure_standalone(self._trained, monitor, processes=self._processes)
        bench = self._trained.workbench()
        for protection, task, seed in self._trained.releases():
            update = bench.release(protection, task, seed, Silent())
            save_adapter(
                update, self._adapters / f"{task}-{protection}", base_model=bench.backbone.name
            )

    def inputs(self) -> dict[str, str]:
        """Return the hashes of the backbone, the suite and every kept adapter."""
        bench = self._kept.workbench()
        adapters = {
            f"adapter {task}-{protection}": bench.release(protection, task, seed, Silent()).sha256
            for protection, task, seed in self._kept.releases()
        }
        return {"backbone": bench.backbone.sha256, "suite": bench.suite.sha256, **adapters}

    def outcomes(self, monitor: Monitor) -> dict[str, Outcome]:
        """Measure everything and return the outcomes by name, sorted."""
        # One experiment after the other: there is one workbench at a time, which loads everything.
        measure_standalone(self._trained, monitor, processes=self._processes)
        trained = _outcomes(self._trained, trained=True)
        measure_merges(self._kept, monitor, processes=self._processes)
        found = {**trained, **_outcomes(self._kept, trained=False)}
        return dict(sorted(found.items()))

    def outcome_at(self, name: str, point: Outcome) -> Outcome | None:
        """Return the outcome of the merge called `name` at the alpha and options of `point`.

        None for an attack that looks at inputs.
        """
        bench = self._kept.workbench()
        (inputs,) = (cell.inputs for cell in bench.store.cells() if outcome_name(cell) == name)
        assert inputs.attack is not None
        assert inputs.space is not None
        assert inputs.protection is not None
        merges = Merges(self._kept, inputs.protection.name, inputs.target, inputs.seed)
        path = merges.path(inputs.attack.name, inputs.space.name, point.options)
        if path is None or point.alpha is None:
            return None
        with deployed(bench.backbone, path, point.alpha):
            results = results_on_test(bench.evaluator)
        return replace(point, correct=results.correct, hits=results.hits)


def _outcomes(experiment: Experiment, *, trained: bool) -> dict[str, Outcome]:
    cells = experiment.workbench().store.cells()
    tested = (cell for cell in cells if "test" in cell.results.sizes)
    return {
        f"{outcome_name(cell)}{', trained anew' if trained and cell.inputs.protection else ''}": (
            outcome_of(cell, trained=trained)
        )
        for cell in tested
    }


def _other_inputs(found: dict[str, str], expected: Measured) -> Iterator[str]:
    known = {
        "backbone": expected.backbone_sha256,
        "suite": expected.suite_sha256,
        **expected.updates,
    }
    for name, sha256 in found.items():
        if known.get(name) != sha256:
            yield f"{name} is not the baseline's: sha256 {sha256[:12]}, was {known.get(name)!s:.12}"


def _require_raised_versions(found: Sequence[Change]) -> None:
    silent = [
        change.name
        for change in found
        if change.verdict is Verdict.MOVED
        and all(
            version <= change.before.methods.get(method, 0)
            for method, version in change.after.methods.items()
        )
    ]
    if silent:
        raise InputError(
            f"baseline not updated: counts of {how_many(len(silent), 'measurement')} changed, such "
            f"as {silent[0]}, but no version of their attack, space or protection was raised: "
            "raise it, or delete `measured` from the file if something else changed on purpose"
        )
