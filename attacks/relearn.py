"""The yardstick of imitation: the target's skill learnt from inputs alone, without the update."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from attacks.parts.supervised import CLIP_RECIPE, Supervised
from mergebench.contracts import DataUse, MergeData, ReplacingMerger
from mergebench.train import Recipe
from mergebench.updates import Update


@dataclass(frozen=True, kw_only=True)
class Relearn(Supervised, ReplacingMerger):
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

    def stand_in(self, given: MergeData) -> Update:
        """Return the selected change, nothing at all if no step was better than W0."""
        task = given.tasks[self.place(given)]
        return self.tuned(given, (task,), self.recipe).update
