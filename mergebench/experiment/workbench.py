"""Measures what an experiment needs, or recalls it from the store if it was measured before."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mergebench.backbones import Backbone, load_backbone
from mergebench.experiment.making import Making
from mergebench.experiment.posed import Posed, search_record
from mergebench.experiment.problems import Problems
from mergebench.experiment.settings import Setting
from mergebench.experiment.store import Store
from mergebench.experiment.trained_releases import TrainedReleases
from mergebench.files import Claims
from mergebench.measure import (
    UNPROTECTED,
    Cell,
    CellInputs,
    CellResults,
    CellRun,
    Evaluator,
    MergeMeasurement,
    Method,
    Protocol,
    curve_points,
    deployed,
    not_reproduced,
    results_on_test,
)
from mergebench.merging import AttackT
from mergebench.progress import Progress
from mergebench.suites import Suite, SuiteOptions, load_suite
from mergebench.train import CURVE_SCALES
from mergebench.updates import Update


class Workbench:
    """One backbone on the tasks of its suite, with a store of what was measured.

    Every method returns the stored result if there is one with the same inputs (contents, options
    and versions), and measures and stores it otherwise, or raises `ClaimedError` if another process
    is at it. `adapters`: a folder of released adapters, `<task>-<protection>`, that take the place
    of trained ones. `weights`, `device`: as of `load_backbone`; `data`: as of `load_suite`. Raises
    `InputError` for an unknown backbone or task, for missing weights or data and for a store that
    cannot be written.
    """

    def __init__(
        self,
        backbone: str,
        setting: Setting,
        tasks: Sequence[str] | None,
        store: Path,
        *,
        adapters: Path | None = None,
        weights: str | None = None,
        device: str | torch.device = "cpu",
        data: SuiteOptions | None = None,
    ) -> None:
        self.setting = setting
        self.store = Store(store / "cells")
        self._making = Making(store / "claims")
        self.backbone: Backbone = load_backbone(backbone, weights=weights, device=device)
        data = data and replace(data, tokenize=self.backbone.tokenize)
        self.suite: Suite = load_suite(self.setting.suite, tasks=tasks, options=data)
        self._releases = TrainedReleases(
            self.backbone,
            self.suite,
            setting,
            folder=store / "releases",
            given=adapters,
            making=self._making,
        )
        self._given = adapters is not None
        self.problems = Problems(self.backbone, self.suite, setting, self._releases)
        self._norms: dict[str, float] = {}
        self._evaluators: dict[tuple[tuple[str, ...], int | None], Evaluator] = {}

    @property
    def measured(self) -> int:
        """How many cells and updates were not in the store and were measured or trained here."""
        return self._making.made

    @property
    def claims(self) -> Claims:
        """Which processes are at what is not in the store."""
        return self._making.claims

    def recalling_only(self) -> AbstractContextManager[None]:
        """Raise `NotMeasuredError` inside the context for what is not in the store."""
        return self._making.recalling_only()

    @property
    def evaluator(self) -> Evaluator:
        """Evaluates on all test inputs and on the search subset of the validation inputs."""
        return self._evaluator(self.suite.task_names, self.setting.search_per_task)

    @property
    def validation(self) -> Evaluator:
        """Evaluates on all validation inputs."""
        return self._evaluator(self.suite.task_names, None)

    def release(self, protection: str, task: str, seed: int, progress: Progress) -> Update:
        """Return the update that `protection` releases for `task`, trained or read on first use."""
        return self._releases.update(protection, task, seed, progress)

    def release_sha256(self, protection: str, task: str, seed: int, progress: Progress) -> str:
        """Return the hash of that update, also where a store has no more of it than its record."""
        return self._releases.sha256(protection, task, seed, progress)

    def zero_shot(self) -> Cell:
        """Return the test counts of the backbone itself."""
        return self._recall(self._inputs(seed=0), lambda: results_on_test(self.evaluator))

    def standalone(self, protection: str, task: str, seed: int, progress: Progress) -> Cell:
        """Return the test count of one update at its nominal scale, on its own task."""

        def measure() -> CellResults:
            with deployed(self.backbone, self.release(protection, task, seed, progress)):
                results = results_on_test(self._own_evaluator(task))
                if self._given:  # nobody knows what their training saw
                    return results
                found = self._evaluator((task,), None).correct("val")[task]
            known = self.training_record(protection, task, seed, progress)["validation"]
            doubts = not_reproduced(found, known["correct"], known["images"])
            return replace(results, warnings=(*results.warnings, *doubts))

        inputs = self._own_inputs(protection, task, seed, progress, "standalone")
        return self._recall(inputs, measure)

    def scale_curve(self, protection: str, task: str, seed: int, progress: Progress) -> Cell:
        """Return the test counts of one update on its own task, by deployed scale."""

        def measure() -> CellResults:
            evaluator = self._own_evaluator(task)
            update = self.release(protection, task, seed, progress)
            points = curve_points(evaluator, update, "test", CURVE_SCALES)
            nominal = points[CURVE_SCALES.index(1.0)].counts
            sizes = {"test": evaluator.sizes("test")}
            return CellResults(correct=nominal, sizes=sizes, alpha=1.0, points=points)

        scales = {"scales": CURVE_SCALES}
        inputs = self._own_inputs(protection, task, seed, progress, "scale_curve", **scales)
        return self._recall(inputs, measure)

    def validation_curve(
        self, protection: str, task: str, seed: int, scales: Sequence[float], progress: Progress
    ) -> Cell:
        """Return the counts of one update on all validation inputs of its task: at 1, and `scales`.

        No test input is looked at.
        """

        def measure() -> CellResults:
            evaluator = self._evaluator((task,), None)
            update = self.release(protection, task, seed, progress)
            points = curve_points(evaluator, update, "val", (1.0, *scales))
            sizes = {"val": evaluator.sizes("val")}
            return CellResults(correct=points[0].counts, sizes=sizes, alpha=1.0, points=points)

        given = {"scales": (*scales,)}
        inputs = self._own_inputs(protection, task, seed, progress, "validation_curve", **given)
        return self._recall(inputs, measure)

    def norm(self, task: str, seed: int, progress: Progress) -> float:
        """Return the accuracy of the task's unprotected update on the search subset, a fraction."""

        def measure() -> CellResults:
            evaluator = self._own_evaluator(task)
            with deployed(self.backbone, self.release(UNPROTECTED, task, seed, progress)):
                correct = evaluator.correct("val")
            return CellResults(correct=correct, sizes={"val": evaluator.sizes("val")})

        given = {"search_per_task": self.setting.search_per_task}
        inputs = self._own_inputs(UNPROTECTED, task, seed, progress, "norm", **given)
        # Every set of updates asks for those of all tasks.
        if inputs.key not in self._norms:
            results = self._recall(inputs, measure).results
            self._norms[inputs.key] = results.correct[task] / results.sizes["val"][task]
        return self._norms[inputs.key]

    def merged(
        self,
        merger: AttackT,
        posed: Posed[AttackT],
        protocol: Protocol,
        *,
        norms: Mapping[str, float],
        start: Cell | None = None,
        tested: bool = True,
    ) -> Cell:
        """Return the test counts of one merge at the point that `protocol` selects.

        `norms`: standalone validation accuracy of the unprotected updates, by task. `start`: the
        cell of the merge that the attack starts from, if it starts from one. With `tested` False
        the search is enough: a cell that was not tested has no correct test inputs.
        """
        inputs = self._inputs(
            protocol=search_record(
                protocol, merger, self.setting.search_per_task, norms=norms, start=start
            ),
            **posed.identity(merger),
        )
        searched = replace(inputs, protocol={**inputs.protocol, "tested": False})

        def measurement() -> MergeMeasurement[AttackT]:
            return MergeMeasurement(
                problem=posed.problem(),
                merger=merger,
                evaluator=self.evaluator,
                protocol=protocol,
                norms=norms,
                target=posed.target,
            )

        def results() -> CellResults:
            begun = self.store.get(searched.key)
            found = measurement()
            return found.results() if begun is None else found.tested(begun.results)

        if tested or self.store.get(inputs.key) is not None:
            return self._recall(inputs, results)
        return self._recall(searched, lambda: measurement().searched())

    def recalled(self, measure: Callable[[], CellResults], **parts: Any) -> Cell:
        """Return the cell of `parts`, fields of `CellInputs`, measured if it is not in the store.

        Fields that all cells of this workbench share are not given.
        """
        return self._recall(self._inputs(**parts), measure)

    def training_record(
        self, protection: str, task: str, seed: int, progress: Progress
    ) -> dict[str, Any]:
        """Return what was recorded when the update was trained."""
        return self._releases.record(protection, task, seed, progress)

    def training_place(self, update_sha256: str) -> str | None:
        """Return where an update of this bench was trained; None where nobody noted it."""
        return self._releases.place(update_sha256)

    def _own_evaluator(self, task: str) -> Evaluator:
        return self._evaluator((task,), self.setting.search_per_task)

    def _evaluator(self, tasks: tuple[str, ...], per_task: int | None) -> Evaluator:
        """Return the evaluator of these tasks and of so many validation inputs; made once."""
        if (tasks, per_task) not in self._evaluators:
            self._evaluators[tasks, per_task] = Evaluator(
                self.backbone,
                [self.suite.task(task) for task in tasks],
                per_task=None if per_task is None else {"val": per_task},
                precision=self.setting.precision,
            )
        return self._evaluators[tasks, per_task]

    def _own_inputs(
        self, protection: str, task: str, seed: int, progress: Progress, what: str, **details: Any
    ) -> CellInputs:
        return self._inputs(
            seed=seed,
            protection=Method.of(self.setting.protection(protection)),
            target=task,
            updates=(self.release_sha256(protection, task, seed, progress),),
            protocol={"name": what, **details},
        )

    def _inputs(self, **parts: Any) -> CellInputs:
        return CellInputs(
            backbone=self.backbone.name,
            backbone_sha256=self.backbone.sha256,
            suite=self.suite.name,
            suite_sha256=self.suite.sha256,
            tasks=self.suite.task_names,
            precision=self.setting.precision,
            **parts,
        )

    def _recall(self, inputs: CellInputs, measure: Callable[[], CellResults]) -> Cell:
        def make() -> Cell:
            start = time.perf_counter()
            results = measure()
            run = CellRun.now(time.perf_counter() - start, self.backbone.device)
            cell = Cell(inputs=inputs, results=results, run=run)
            self.store.put(cell)
            return cell

        return self._making.found_or_made(inputs.key, lambda: self.store.get(inputs.key), make)
