"""The trap is trained away: the update learns to work at all scales as it does at its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attacks.parts.trained_stand_in import TrainedStandIn, with_inputs
from mergebench.contracts import DataUse, MergeData
from mergebench.errors import check_range
from mergebench.suites import Split
from mergebench.train import Classifier, Losses, Objective, Step, train_to_the_end
from mergebench.updates import Update


@dataclass(frozen=True, kw_only=True)
class Flatten(TrainedStandIn):
    """`τ_p` takes some steps on `E_s L(W0 + s τ_p)`, s uniform on `[least, 1]`, and is merged.

    `L` is the cross entropy of pseudo-labels: the classes that the protected model says at s = 1 of
    inputs of its task. Each step draws one s and moves the factors of `τ_p`. All steps are taken;
    no other input selects among them. Raises `InputError` for values outside their range.
    """

    name: ClassVar[str] = "flatten"
    paper: ClassVar[str] = (
        "mergebench: adaptive attack on Trap² (flatten by pseudo-labels); "
        "LoRA (Hu et al., 2021), https://arxiv.org/abs/2106.09685"
    )

    steps: int = 50
    least: float = 0.1

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        check_range(f"attack {self.name}: least", self.least, 0, 1)

    @property
    def looks_at_others(self) -> bool:
        """The target's task is all that it needs."""
        return False

    def stand_in(self, given: MergeData) -> Update:
        """Return the trained update; without any step the protected one as it is."""
        place = self.place(given)
        protected, task = given.updates[place], given.tasks[place]
        inputs = task.splits["train"]
        given.notes["images"] = len(inputs)
        tower = self.protected_tower(given, protected)
        if self.steps == 0:
            return protected
        labelled = with_inputs(task, inputs.inputs, self.labels(Classifier(tower, task), inputs))
        objective = AnyScale(self.least)
        return train_to_the_end(tower, labelled, objective, given.seed, reached=given.reached)

    def labels(self, protected: Classifier, inputs: Split) -> Tensor:
        """Return the labels to train on, `(N,)` int64 on the CPU."""
        return protected.predicted(protected.examples(inputs)).cpu().clone()


@dataclass(frozen=True, kw_only=True)
class FlattenLabelled(Flatten):
    """`flatten` with the true labels of the inputs, which `L` is then the cross entropy of."""

    name: ClassVar[str] = "flatten_labelled"
    paper: ClassVar[str] = (
        "mergebench: adaptive attack on Trap² (flatten by labels); "
        "LoRA (Hu et al., 2021), https://arxiv.org/abs/2106.09685"
    )
    data: ClassVar[DataUse] = "labelled"

    def labels(self, protected: Classifier, inputs: Split) -> Tensor:
        """Return the labels of the inputs."""
        return inputs.labels


class AnyScale(Objective):
    """Has a model predict the labels at a scale of each step's own, uniform on `[least, 1]`."""

    name = "flatten"

    def __init__(self, least: float) -> None:
        self.least = least

    def backward(self, step: Step) -> Losses:
        """Minimise the mean loss of the batch at the drawn scale; that is what is returned."""
        drawn = torch.rand((), generator=step.generator("scale"), dtype=torch.float64)
        loss = step.losses(self.least + (1 - self.least) * float(drawn)).mean()
        loss.backward()
        return Losses(nominal=float(loss.detach()))
