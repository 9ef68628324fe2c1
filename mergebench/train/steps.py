"""The steps of one run: which inputs they see, and what they do to the trained parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from mergebench.errors import InputError
from mergebench.progress import Reached, unheard
from mergebench.seeding import generator
from mergebench.suites import Task
from mergebench.train.accumulation import Accumulation
from mergebench.train.classifier import Classifier
from mergebench.train.descent import Descent
from mergebench.train.like_length import of_like_length
from mergebench.train.objective import Losses, Objective, Step
from mergebench.train.tower import Tower
from mergebench.updates import Update


def train_to_the_end(
    tower: Tower, task: Task, objective: Objective, seed: int, *, reached: Reached = unheard
) -> Update:
    """Take all steps of the tower's recipe on split `train`, and return the change after the last.

    Nothing is evaluated or selected, and no other split is looked at. `reached`: is told after
    every step how much is done. Determinism and errors as of `train`.
    """
    steps = Steps(tower, task, objective, seed)
    for index, batch in enumerate(steps.batches()):
        steps.take(index, *batch)
        reached((index + 1) / steps.recipe.steps)
    return tower.update(task.name)


class Steps:
    """Trains `tower` on split `train` of `task` by `objective`, as the tower's recipe says.

    `descent`: of the tower, where several tasks take turns on it.
    """

    def __init__(
        self,
        tower: Tower,
        task: Task,
        objective: Objective,
        seed: int,
        descent: Descent | None = None,
    ) -> None:
        self.tower, self.task, self.recipe, self.seed = tower, task, tower.recipe, seed
        self.classifier = Classifier(tower, task)
        self.descent = descent or Descent(tower)
        self.accumulation = Accumulation(objective, tower.parameters)
        self.training = self.classifier.examples(task.splits["train"])

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
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
        for batch in order.to(self.tower.backbone.device).split(self.recipe.batch_size):
            yield examples.hidden.of(batch), examples.labels[batch]

    def take(self, index: int, hidden: Tensor, labels: Tensor) -> Losses:
        """Take step `index`, from 0, on one batch; `InputError` when its loss is not finite."""
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
                "lower the learning rate or the strength of the protection, if there is one"
            )
        self.descent.step(index)
        return losses
