"""The one fine-tuning loop."""

from __future__ import annotations

import time
from typing import Any

from torch import Tensor

from mergebench.backbones import Backbone
from mergebench.contracts import Release
from mergebench.progress import Progress, StepDone, Validated
from mergebench.suites import Task
from mergebench.train.cost import PeakMemory, step_seconds
from mergebench.train.full import FullTower
from mergebench.train.lora import LoraTower
from mergebench.train.objective import Losses, Objective
from mergebench.train.recipe import FullRecipe, Recipe, TrainingRecipe
from mergebench.train.record import init_drift, norm_ratios, probe_split, scale_curve
from mergebench.train.selection import Candidate, Selection
from mergebench.train.steps import Steps
from mergebench.train.tower import Tower


def train(
    backbone: Backbone,
    task: Task,
    objective: Objective,
    recipe: TrainingRecipe,
    seed: int,
    progress: Progress,
) -> Release:
    """Fine-tune `backbone` on `task` as `recipe` says and return the selected update.

    The backbone is not changed and the global random state is left as it was. Equal arguments give
    equal bits on one machine and thread count. Raises `InputError` when the loss stops being
    finite.
    """
    run = _Run(backbone, task, objective, recipe, seed)
    progress.start(f"{objective.name} {task.name}", recipe.steps)
    try:
        run.steps(progress)
    finally:
        progress.stop()
    return run.release()


class _Run:
    """The state of one training run."""

    def __init__(
        self,
        backbone: Backbone,
        task: Task,
        objective: Objective,
        recipe: TrainingRecipe,
        seed: int,
    ) -> None:
        self.backbone, self.task, self.objective = backbone, task, objective
        self.recipe, self.seed = recipe, seed
        self.memory = PeakMemory(backbone.device)
        self.tower = make_tower(backbone, recipe, seed, task)
        self.training = Steps(self.tower, task, objective, seed)
        self.classifier = self.training.classifier
        self.start = self.tower.update(task.name)
        self.validation = self.classifier.examples(task.splits["val"])
        probe = probe_split(task.splits["val"], recipe.probe_inputs, seed)
        self.probe = self.classifier.examples(probe)
        self.selection = Selection(
            recipe=recipe,
            size=len(self.validation),
            probe_size=len(self.probe),
            seeks_failure=objective.seeks_failure,
        )
        self.losses: list[Losses] = []
        self.evaluations: list[dict[str, Any]] = []
        self.costs: list[tuple[float, bool]] = []
        self.seconds, self.peak_bytes = 0.0, 0

    def steps(self, progress: Progress) -> None:
        """Train until the last step or until patience runs out."""
        recipe, began = self.recipe, time.perf_counter()
        for index, (hidden, labels) in enumerate(self.training.batches()):
            self._timed_step(index, hidden, labels)
            self.seconds = time.perf_counter() - began
            progress.step(
                StepDone(
                    step=index + 1,
                    steps=recipe.steps,
                    loss=self.losses[-1].nominal,
                    off_nominal_loss=self.losses[-1].off_nominal,
                    inputs_per_second=self._inputs_per_second(),
                    seconds_left=self.seconds / (index + 1) * (recipe.steps - index - 1),
                )
            )
            if (index + 1) % recipe.evaluate_every == 0 or index + 1 == recipe.steps:
                progress.validated(self._evaluate(index + 1))
                if self.selection.exhausted:
                    break
        self.seconds = time.perf_counter() - began
        self.peak_bytes = self.memory.bytes()

    def release(self) -> Release:
        """Return the selected update and the record of the run."""
        chosen = self.selection.released
        self.tower.load(chosen.update)
        record = {
            "task": self.task.name,
            "seed": self.seed,
            "objective": repr(self.objective),
            "recipe": self.recipe,
            "losses": [losses.nominal for losses in self.losses],
            "off_nominal_losses": [losses.off_nominal for losses in self.losses],
            "evaluations": self.evaluations,
            "selected_step": chosen.step,
            "parts_of_a_batch": self.training.accumulation.parts,
            "validation": {"correct": chosen.correct, "images": len(self.validation)},
            "scale_curve": scale_curve(self.classifier, self.probe),
            "norm_ratio": norm_ratios(self.backbone, chosen.update),
            "init_drift": init_drift(self.start, chosen.update),
            "seconds": self.seconds,
            "step_seconds": step_seconds(self.costs),
            "peak_memory_bytes": self.peak_bytes,
            "images_per_second": self._inputs_per_second(),
        }
        return Release(update=chosen.update, record=record)

    def _timed_step(self, index: int, hidden: Tensor, labels: Tensor) -> None:
        began = time.perf_counter()
        self.losses.append(self.training.take(index, hidden, labels))
        looked = self.losses[-1].off_nominal is not None
        self.costs.append((time.perf_counter() - began, looked))

    def _evaluate(self, step: int) -> Validated:
        correct = self.classifier.correct(self.validation)
        probes = {
            scale: self.classifier.correct(self.probe, scale) for scale in self.recipe.probe_scales
        }
        self.selection.offer(
            Candidate(
                step=step, update=self.tower.update(self.task.name), correct=correct, probes=probes
            )
        )
        self.evaluations.append({"step": step, "correct": correct, "probes": list(probes.values())})
        accuracies = {scale: count / len(self.probe) for scale, count in probes.items()}
        return Validated(step=step, accuracies={1.0: correct / len(self.validation), **accuracies})

    def _inputs_per_second(self) -> float:
        return len(self.losses) * self.recipe.batch_size / max(self.seconds, 1e-9)


def make_tower(backbone: Backbone, recipe: TrainingRecipe, seed: int, task: Task) -> Tower:
    """Return the tower of which `recipe` trains the adapter or every weight."""
    if isinstance(recipe, FullRecipe):
        return FullTower(backbone, recipe)
    assert isinstance(recipe, Recipe)
    return LoraTower(backbone, recipe, seed=seed, task=task.name)
