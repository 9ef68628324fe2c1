"""The yardstick of imitation: the target's skill learnt from inputs alone, without the update."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from attacks.finetune import CLIP_RECIPE
from mergebench.contracts import DataUse, MergeData, ReplacingMerger, SweptMerger
from mergebench.seeding import derived_seed
from mergebench.train import LoraTower, Recipe, train_in_turn
from mergebench.updates import Update


@dataclass(frozen=True, kw_only=True)
class Relearn(SweptMerger, ReplacingMerger):
    """`W0 + α f(τ_i, i ≠ p; σ)`, `σ` being `W0` fine-tuned on labelled inputs of the target's task.

    No attack, but what a merger has with the same inputs who never saw `τ_p`: what an attack gives
    beyond that, it owes to the update. `recipe`: how `σ`, a fresh adapter, is trained; at most its
    number of steps, since the start and every evaluation on the target's validation inputs are
    candidates (`train_in_turn`), as they are for `finetune`.
    """

    name: ClassVar[str] = "relearn"
    paper: ClassVar[str] = (
        "mergebench: what the inputs of an imitator give without the update; "
        "LoRA (Hu et al., 2021), https://arxiv.org/abs/2106.09685"
    )
    data: ClassVar[DataUse] = "labelled"
    takes_protected: ClassVar[bool] = False

    split: Literal["train", "val"] = "train"
    inputs_per_task: int = 64
    recipe: Recipe = field(default_factory=lambda: CLIP_RECIPE)

    @property
    def looks_at_others(self) -> bool:
        """The target's task is all that it needs."""
        return False

    def budget(self, inputs: str) -> str:
        """Return what is trained on, and what the step is selected on."""
        return f"{super().budget(inputs)}, and the whole validation split to select the step"

    def stand_in(self, given: MergeData) -> Update:
        """Return the selected change, nothing at all if no step was better than W0."""
        task = given.tasks[self.place(given)]
        # Not the seed of the released adapters, whose initial A the fresh one would share.
        seed = derived_seed(given.seed, self.name)
        rate = self.recipe.learning_rate * self.learning_rate_factor
        recipe = replace(self.recipe, learning_rate=rate)
        tower = LoraTower(given.backbone, recipe, seed=seed, task=task.name)
        tuned = train_in_turn(tower, (task,), given.seed)
        given.notes["images"] = len(task.splits["train"])
        given.notes["selected_step"] = tuned.step
        return tuned.update
