"""Imitation: the protected model teaches an update that has no trap, and that is merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from attacks.parts.trained_stand_in import TrainedStandIn, with_inputs
from mergebench.contracts import MergeData
from mergebench.errors import InputError, check_choice
from mergebench.train import LoraTower, Losses, Objective, Step, train_to_the_end
from mergebench.updates import Update

Whose = Literal["target", "others"]


@dataclass(frozen=True, kw_only=True)
class Distil(TrainedStandIn):
    """A student `σ` of the protected model is merged in its place: `W0 + α f(τ_i, i ≠ p; σ)`.

    `σ` is a fresh adapter of the rank of `τ_p`, trained on inputs `x` without labels on

        1 - cos(z_σ(x), z_p(x)) + KL(softmax l_p(x) ‖ softmax l_σ(x))

    with the embeddings `z_σ` of `W0 + σ`, `z_p` of `W0 + τ_p` at its nominal scale, at which it
    works whatever it does at others, and the logits `l` of both on the target's text head.
    `tasks`: whose inputs, those of the target's task ("target"), or of all other tasks ("others").
    All steps are taken; no other input selects among them. Raises `InputError` for unknown `tasks`,
    and for "others" where there is no other.
    """

    name: ClassVar[str] = "distil"
    paper: ClassVar[str] = (
        "mergebench: adaptive attack on Trap² (distil at s = 1, then merge); "
        "knowledge distillation (Hinton et al., 2015), https://arxiv.org/abs/1503.02531"
    )

    tasks: Whose = "target"

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        check_choice(f"attack {self.name}: tasks", self.tasks, Whose)

    @property
    def looks_at_others(self) -> bool:
        """As `tasks` says."""
        return self.tasks == "others"

    def stand_in(self, given: MergeData) -> Update:
        """Return the student; without any step it changes nothing."""
        place = self.place(given)
        protected, inputs = given.updates[place], self._inputs(given, place)
        given.notes["images"] = len(inputs)
        student = self.fresh_tower(given, protected)
        if self.steps == 0:
            return student.update(self.name)
        matching = Matching(self.protected_tower(given, protected))
        task = with_inputs(given.tasks[place], inputs)
        return train_to_the_end(student, task, matching, given.seed, reached=given.reached)

    def _inputs(self, given: MergeData, place: int) -> Tensor:
        chosen = [
            task.splits["train"].inputs
            for index, task in enumerate(given.tasks)
            if (index == place) == (self.tasks == "target")
        ]
        if not chosen:
            raise InputError(f"attack {self.name} with tasks='others' needs a second task")
        return torch.cat(chosen)


class Matching(Objective):
    """Has a model embed and classify inputs as its teacher does at nominal scale."""

    name = "distil"

    def __init__(self, teacher: LoraTower) -> None:
        self.teacher = teacher

    def backward(self, step: Step) -> Losses:
        """Minimise the mean over the batch of what `Distil` states."""
        found = step.embeddings(1.0)
        with torch.no_grad():
            wanted = self.teacher.embed(step.hidden)
        apart = 1 - functional.cosine_similarity(found, wanted, dim=-1).mean()
        divergence = functional.kl_div(
            step.classifier.logits(found).log_softmax(-1),
            step.classifier.logits(wanted).log_softmax(-1),
            reduction="batchmean",
            log_target=True,
        )
        loss = apart + divergence
        loss.backward()
        return Losses(nominal=float(loss.detach()))
