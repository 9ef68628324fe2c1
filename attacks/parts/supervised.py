"""Training on a few labelled inputs, of which a whole validation split selects the step."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mergebench.contracts import MergeData, SweptMerger
from mergebench.seeding import derived_seed
from mergebench.suites import Task
from mergebench.train import Recipe, TrainingRecipe, Tuned, make_tower, train_in_turn

CLIP_RECIPE = Recipe(
    learning_rate=3e-4,
    batch_size=32,
    steps=1000,
    warmup_steps=0,
    logit_scale=100.0,
    probe_scales=(),
)
"""What `mergebench` uses on CLIP, for an adapter; the Trap² paper does not state its own."""


@dataclass(frozen=True, kw_only=True)
class Supervised(SweptMerger, ABC):
    """At most the recipe's number of steps: the start and every evaluation are candidates."""

    def budget(self, inputs: str) -> str:
        """Return what is trained on, and what the step is selected on."""
        return f"{super().budget(inputs)}, and the whole validation split to select the step"

    def tuned(self, given: MergeData, tasks: Sequence[Task], recipe: TrainingRecipe) -> Tuned:
        """Return what `train_in_turn` makes of the backbone as it is deployed now."""
        # Not the seed of the released adapters, whose initial A the fresh one would share.
        seed = derived_seed(given.seed, self.name)
        recipe = replace(recipe, learning_rate=recipe.learning_rate * self.learning_rate_factor)
        tower = make_tower(given.backbone, recipe, seed, tasks[0])
        tuned = train_in_turn(tower, tasks, given.seed, reached=given.reached)
        given.notes["images"] = sum(len(task.splits["train"]) for task in tasks)
        given.notes["selected_step"] = tuned.step
        return tuned
