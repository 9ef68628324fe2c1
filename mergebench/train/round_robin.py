"""Fine-tuning one tower on several tasks in turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from mergebench.errors import InputError
from mergebench.seeding import derived_seed, generator
from mergebench.suites import Task
from mergebench.train.classifier import Classifier
from mergebench.train.tower import Tower
from mergebench.updates import Update


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuned:
    """What was selected: the change after `step` steps, 0 being the start.

    `correct`: validation counts of it, by task; `first`: those of the start.
    """

    step: int
    update: Update
    correct: Mapping[str, int]
    first: Mapping[str, int]


def train_in_turn(tower: Tower, tasks: Sequence[Task], seed: int) -> Tuned:
    """Train `tower` on split `train` of the tasks, one batch of one task per step, in their order.

    The recipe of the tower says how, as in `train`, the objective being the cross entropy at
    nominal scale. The start and an evaluation every `evaluate_every` steps are candidates; the one
    with the highest mean over tasks of accuracy on split `val` is returned, of equals the latest;
    the recipe's probes are not looked at. Raises `InputError` when the loss stops being finite.
    """
    run = _Run(tower, tasks, seed)
    run.steps()
    return run.best


class _Run:
    """The state of one run."""

    def __init__(self, tower: Tower, tasks: Sequence[Task], seed: int) -> None:
        self.tower, self.recipe, self.seed = tower, tower.recipe, seed
        self.tasks = [(task.name, Classifier(tower, task)) for task in tasks]
        splits = [(own, task.splits) for (_, own), task in zip(self.tasks, tasks, strict=True)]
        self.training = [own.examples(split["train"]) for own, split in splits]
        self.validation = [own.examples(split["val"]) for own, split in splits]
        recipe = self.recipe
        self.optimizer = torch.optim.AdamW(
            tower.parameters,
            lr=recipe.learning_rate,
            betas=recipe.betas,
            eps=recipe.eps,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        first = self._correct()
        self.best = Tuned(step=0, update=tower.update("start"), correct=first, first=first)
        self.reference, self.stale = self._accuracy(first), 0

    def steps(self) -> None:
        """Train until the last step or until patience runs out."""
        recipe = self.recipe
        orders = [self._batches(place) for place in range(len(self.tasks))]
        for step in range(recipe.steps):
            place = step % len(self.tasks)
            self._step(step, place, next(orders[place]))
            if (step + 1) % recipe.evaluate_every == 0 or step + 1 == recipe.steps:
                self._consider(step + 1)
                if recipe.patience is not None and self.stale >= recipe.patience:
                    break

    def _batches(self, place: int) -> Iterator[Tensor]:
        """Yield full batches of indices: permutations of all inputs, one after the other."""
        size, count = self.recipe.batch_size, len(self.training[place])
        draws = generator(self.seed, "order", self.tasks[place][0])
        left = torch.empty(0, dtype=torch.int64)
        while True:
            while len(left) < size:
                left = torch.cat([left, torch.randperm(count, generator=draws)])
            yield left[:size].to(self.tower.backbone.device)
            left = left[size:]

    def _step(self, step: int, place: int, batch: Tensor) -> None:
        (name, classifier), examples = self.tasks[place], self.training[place]
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(step)
        masks = derived_seed(self.seed, name, "dropout", step)
        loss = classifier.losses(examples.hidden.of(batch), examples.labels[batch], 1.0, masks)
        mean = loss.mean()
        if not math.isfinite(mean.item()):
            raise InputError(
                f"{name}: the loss is {mean.item()} at step {step + 1}; lower the learning rate"
            )
        mean.backward()
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.tower.parameters, self.recipe.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _consider(self, step: int) -> None:
        found = self._correct()
        accuracy = self._accuracy(found)
        if accuracy >= self._accuracy(self.best.correct):
            update = self.tower.update(f"step {step}")
            self.best = Tuned(step=step, update=update, correct=found, first=self.best.first)
        improved = accuracy > self.reference + Fraction(self.recipe.min_improvement)
        self.stale = 0 if improved else self.stale + 1
        if improved:
            self.reference = accuracy

    def _correct(self) -> dict[str, int]:
        return {
            name: own.correct(examples)
            for (name, own), examples in zip(self.tasks, self.validation, strict=True)
        }

    def _accuracy(self, correct: Mapping[str, int]) -> Fraction:
        sizes = map(len, self.validation)
        shares = [Fraction(one, size) for one, size in zip(correct.values(), sizes, strict=True)]
        return sum(shares, Fraction(0)) / len(shares)
