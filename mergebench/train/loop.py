"""The one fine-tuning loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from mergebench.backbones import Backbone
from mergebench.contracts import Release
from mergebench.errors import InputError
from mergebench.progress import Progress, StepDone, Validated
from mergebench.seeding import generator
from mergebench.suites import Task
from mergebench.train.accumulation import Accumulation
from mergebench.train.classifier import Classifier
from mergebench.train.cost import PeakMemory, step_seconds
from mergebench.train.full import FullTower
from mergebench.train.like_length import of_like_length
from mergebench.train.lora import LoraTower
from mergebench.train.objective import Losses, Objective, Step
from mergebench.train.recipe import FullRecipe, Recipe, TrainingRecipe
from mergebench.train.record import init_drift, norm_ratios, probe_split, scale_curve
from mergebench.train.selection import Candidate, Selection
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
        self.classifier = Classifier(self.tower, task)
        self.start = self.tower.update(task.name)
        self.optimizer = torch.optim.AdamW(
            self.tower.parameters,
            lr=recipe.learning_rate,
            betas=recipe.betas,
            eps=recipe.eps,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.accumulation = Accumulation(objective, self.tower.parameters)
        self.training = self.classifier.examples(task.splits["train"])
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
        for index, (hidden, labels) in enumerate(self._batches()):
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
            "parts_of_a_batch": self.accumulation.parts,
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

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield full batches: permutations of all inputs, one after the other, cut to size.

        Inputs of different lengths then change places with such of neighbouring batches.

        A task that the recipe does not shuffle comes class by class instead.
        """
        draws = generator(self.seed, "order", self.task.name)
        wanted = self.recipe.steps * self.recipe.batch_size
        examples = self.training
        epochs = [
            torch.randperm(len(examples), generator=draws)
            if self.recipe.shuffles(self.task.name)
            else examples.labels.cpu().argsort(stable=True)
            for _ in range(math.ceil(wanted / len(examples)))
        ]
        order = torch.cat(epochs)[:wanted]
        lengths = examples.hidden.lengths(order)
        if lengths is not None:
            order = of_like_length(order, lengths, self.recipe.batch_size, draws)
        for batch in order.to(self.backbone.device).split(self.recipe.batch_size):
            yield examples.hidden.of(batch), examples.labels[batch]

    def _timed_step(self, index: int, hidden: Tensor, labels: Tensor) -> None:
        began = time.perf_counter()
        self.losses.append(self._step(index, hidden, labels))
        looked = self.losses[-1].off_nominal is not None
        self.costs.append((time.perf_counter() - began, looked))

    def _step(self, index: int, hidden: Tensor, labels: Tensor) -> Losses:
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(index)
        losses = self.accumulation.backward(
            Step(
                classifier=self.classifier,
                hidden=hidden,
                labels=labels,
                index=index,
                steps=self.recipe.steps,
                key=(self.seed, self.task.name),
            )
        )
        if not math.isfinite(losses.nominal):
            raise InputError(
                f"{self.task.name}: the loss is {losses.nominal} at step {index + 1}; "
                "lower the learning rate or the strength of the protection"
            )
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.tower.parameters, self.recipe.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return losses

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
