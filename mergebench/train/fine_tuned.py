"""The base of protections that are a fine-tuning objective."""

from __future__ import annotations

from dataclasses import dataclass, field

from mergebench.backbones import Backbone
from mergebench.contracts import Protection, Release
from mergebench.progress import Progress
from mergebench.suites import Task
from mergebench.train.loop import train
from mergebench.train.objective import Objective
from mergebench.train.recipe import Recipe, TrainingRecipe


@dataclass(frozen=True, kw_only=True)
class FineTuned(Protection, Objective):
    """A protection that trains an update on its own objective, by the shared loop.

    A subclass implements `backward`; its fields are the objective's hyper-parameters.
    """

    recipe: TrainingRecipe = field(default_factory=Recipe)

    def protect(self, backbone: Backbone, task: Task, *, seed: int, progress: Progress) -> Release:
        """Fine-tune on `task` and return the selected update with its record."""
        return train(backbone, task, self, self.recipe, seed, progress)
