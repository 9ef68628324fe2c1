"""How long tables take on this machine, from inputs per second measured on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch

from mergebench.device import one_thread
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.settings import Setting
from mergebench.experiment.workbench import Workbench
from mergebench.measure import UNPROTECTED
from mergebench.suites import Suite, load_suite
from mergebench.train import CURVE_SCALES, Classifier, TrainingRecipe, make_tower

POINTS = {
    "paper": 21.9,
    "clean": 0.36 * 94.5,
    "clean-exhaustive": 94.5,
    "wide": 2 * 0.36 * 94.5,
    "paper-exact": 21.9,
}
"""Passes over the validation inputs that the search of a merge takes under a protocol.

Means over the merges of table 2 on `mini_vit` (docs/performance.md); other backbones take others.
`wide`, with twice the coefficients of `clean`, is taken to be raced to the same share.
"""

TRAPPED_STEPS = 2.0
"""Cost of a step of a protection against that of a plain one: Trap² takes two passes."""

_STEPS = 3
_LONG_S = 60.0


SplitSizes = Mapping[str, Mapping[str, int]]
"""How many inputs each split of each task has."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What was measured, on one process.

    `evaluated`: inputs per second of an evaluation; `step_seconds`: of one plain training step,
    forward and backward; `trapped_seconds`: of one of a protection, None if that is not known.
    """

    evaluated: float
    step_seconds: float
    trapped_seconds: float | None = None

    @property
    def trapped_factor(self) -> float:
        """Cost of a step of a protection against that of a plain one."""
        if self.trapped_seconds is None:
            return TRAPPED_STEPS
        return self.trapped_seconds / self.step_seconds


@dataclass(frozen=True, kw_only=True)
class Duration:
    """Seconds on one process; training ends between `least` and `most`, by its patience."""

    least: float
    most: float

    def __add__(self, other: Duration) -> Duration:
        return Duration(least=self.least + other.least, most=self.most + other.most)


def measure_rates(bench: Workbench, known: float | None = None) -> Rates:
    """Time an evaluation on all test inputs and a few training steps, in one thread as jobs have.

    `known`: seconds of such an evaluation that has just ended, which are taken if it was long. A
    short one is timed again, as its inputs now lie where a search finds them.
    """
    count = sum(bench.evaluator.sizes("test").values())
    with one_thread():
        seconds = known
        while seconds is None or seconds < _LONG_S:
            first = seconds is None
            seconds = _seconds(bench, lambda: bench.evaluator.correct("test"))
            if not first:
                break
        return Rates(evaluated=count / seconds, step_seconds=_step_seconds(bench))


@cache
def sizes_of(suite: str) -> SplitSizes:
    """Return the sizes of a suite's tasks; those of one on disk are the published ones."""
    if suite == "vision8":
        from mergebench.suites.vision8 import split_sizes, task_rows

        return {
            row.name: {str(name): size for name, size in split_sizes(row).items()}
            for row in task_rows()
        }
    return _sizes(load_suite(suite))


def table1_estimate(experiment: Experiment, suite: Suite, rates: Rates) -> Duration:
    """Return what training and testing every update of an experiment takes."""
    updates = [(protection, task) for protection, task, _ in experiment.releases()]
    return training_estimate(experiment.setting, updates, _sizes(suite), rates)


def training_estimate(
    setting: Setting, updates: Sequence[tuple[str, str]], sizes: SplitSizes, rates: Rates
) -> Duration:
    """Return what training and testing updates takes, and testing the backbone itself.

    `updates`: protection and task of each.
    """
    tested = sum(size["test"] for size in sizes.values())
    total = Duration(least=tested / rates.evaluated, most=tested / rates.evaluated)
    for protection, task in updates:
        total += _update_estimate(setting, protection, sizes[task], rates)
    return total


def _update_estimate(
    setting: Setting, protection: str, sizes: Mapping[str, int], rates: Rates
) -> Duration:
    recipe: TrainingRecipe = setting.options(protection)["recipe"]
    factor = 1.0 if protection == UNPROTECTED else rates.trapped_factor
    step = rates.step_seconds * recipe.batch_size / setting.recipe.batch_size
    forward = step / recipe.batch_size / 3  # a backward pass costs two forward passes
    own = (sizes["test"] + sizes["val"]) / rates.evaluated
    fixed = own + forward * len(CURVE_SCALES) * recipe.probe_inputs
    least, most = (
        steps * step * factor + steps / recipe.evaluate_every * forward * sizes["val"] + fixed
        for steps in _steps(recipe)
    )
    return Duration(least=least, most=most)


def table2_estimate(experiment: Experiment, suite: Suite, rates: Rates) -> Duration:
    """Return what the merges take beside table 1, without the linear algebra of merging."""
    return merging_estimate(
        experiment.setting, experiment.protocol.name, experiment.merge_count, _sizes(suite), rates
    )


def merging_estimate(
    setting: Setting, protocol: str, merges: int, sizes: SplitSizes, rates: Rates
) -> Duration:
    """Return what the evaluations of so many merges take under a protocol."""
    limit = setting.search_per_task
    searched = [
        size["val"] if limit is None else min(limit, size["val"]) for size in sizes.values()
    ]
    tested = sum(size["test"] for size in sizes.values())
    seconds = merges * (POINTS[protocol] * sum(searched) + tested) / rates.evaluated
    return Duration(least=seconds, most=seconds)


def _sizes(suite: Suite) -> SplitSizes:
    return {
        task.name: {name: len(split) for name, split in task.splits.items()} for task in suite.tasks
    }


def _steps(recipe: TrainingRecipe) -> tuple[int, int]:
    """Return how many steps training takes if it improves once, and at most."""
    if recipe.patience is None:
        return recipe.steps, recipe.steps
    return min(recipe.steps, (recipe.patience + 1) * recipe.evaluate_every), recipe.steps


def _step_seconds(bench: Workbench) -> float:
    recipe, task = bench.setting.recipe, bench.suite.tasks[0]
    tower = make_tower(bench.backbone, recipe, 0, task)
    classifier = Classifier(tower, task)
    examples = classifier.examples(task.splits["train"])
    rows = torch.arange(recipe.batch_size, device=bench.backbone.device) % len(examples)

    def steps(count: int) -> None:
        for number in range(count):
            hidden = examples.hidden.of(rows)
            classifier.losses(hidden, examples.labels[rows], 1.0, number).mean().backward()

    steps(1)
    return _seconds(bench, lambda: steps(_STEPS)) / _STEPS


def _seconds(bench: Workbench, run: Callable[[], object]) -> float:
    device = bench.backbone.device
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return max(time.perf_counter() - start, 1e-9)
