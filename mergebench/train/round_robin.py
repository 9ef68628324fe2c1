"""Fine-tuning one tower on several tasks in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from mergebench.progress import Reached, unheard
from mergebench.seeding import generator
from mergebench.suites import Task
from mergebench.train.descent import Descent
from mergebench.train.objective import Losses, Objective, Step, nominal_losses
from mergebench.train.steps import Steps
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


def train_in_turn(
    tower: Tower, tasks: Sequence[Task], seed: int, *, reached: Reached = unheard
) -> Tuned:
    """Train `tower` on split `train` of the tasks, one batch of one task per step, in their order.

    The recipe of the tower says how, as in `train`, the objective being the cross entropy at
    nominal scale. The start and an evaluation every `evaluate_every` steps are candidates; the one
    with the highest mean over tasks of accuracy on split `val` is returned, of equals the latest;
    the recipe's probes are not looked at. `reached`: is told after every step how much is done.
    Raises `InputError` when the loss stops being finite.
    """
    run = _Run(tower, tasks, seed)
    run.steps(reached)
    return run.best


class _Nominal(Objective):
    """The cross entropy at nominal scale."""

    name = "nominal"

    def backward(self, step: Step) -> Losses:
        return nominal_losses(step)


class _Run:
    """The state of one run."""

    def __init__(self, tower: Tower, tasks: Sequence[Task], seed: int) -> None:
        self.tower, self.recipe, self.seed = tower, tower.recipe, seed
        descent = Descent(tower)
        self.tasks = [Steps(tower, task, _Nominal(), seed, descent) for task in tasks]
        self.validation = [one.classifier.examples(one.task.splits["val"]) for one in self.tasks]
        first = self._correct()
        self.best = Tuned(step=0, update=tower.update("start"), correct=first, first=first)
        self.reference, self.stale = self._accuracy(first), 0

    def steps(self, reached: Reached) -> None:
        """Train until the last step or until patience runs out."""
        recipe = self.recipe
        turns = [(one, self._batches(one)) for one in self.tasks]
        for step in range(recipe.steps):
            one, batches = turns[step % len(turns)]
            one.take(step, *next(batches))
            reached((step + 1) / recipe.steps)
            if (step + 1) % recipe.evaluate_every == 0 or step + 1 == recipe.steps:
                self._consider(step + 1)
                if recipe.patience is not None and self.stale >= recipe.patience:
                    break

    def _batches(self, one: Steps) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield full batches of a task: permutations of all inputs, one after the other.

        As of `Steps.batches`, but without end, shuffled whatever the recipe says, and inputs of
        different lengths stay where they are.
        """
        size, count = self.recipe.batch_size, len(one.training)
        draws = generator(self.seed, "order", one.task.name)
        left = torch.empty(0, dtype=torch.int64)
        while True:
            while len(left) < size:
                left = torch.cat([left, torch.randperm(count, generator=draws)])
            batch = left[:size].to(self.tower.backbone.device)
            yield one.training.hidden.of(batch), one.training.labels[batch]
            left = left[size:]

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
            one.task.name: one.classifier.correct(examples)
            for one, examples in zip(self.tasks, self.validation, strict=True)
        }

    def _accuracy(self, correct: Mapping[str, int]) -> Fraction:
        sizes = map(len, self.validation)
        shares = [Fraction(one, size) for one, size in zip(correct.values(), sizes, strict=True)]
        return sum(shares, Fraction(0)) / len(shares)
