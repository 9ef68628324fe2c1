"""What a protection asks of a training step."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mergebench.seeding import derived_seed, generator
from mergebench.train.classifier import Classifier


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One batch on its way through the objective.

    `index`: from 0, of `steps`; `hidden`: the inputs as the tower takes them, `(N, ...)`; `labels`:
    `(N,)` int64; `key`: what every random draw of this step is derived from; `portion`:
    which part of the batch it is, where that is computed in parts.
    """

    classifier: Classifier
    hidden: Tensor
    labels: Tensor
    index: int
    steps: int
    key: tuple[object, ...] = ()
    portion: int = 0

    def losses(self, scale: float, part: slice = slice(None)) -> Tensor:
        """Return the loss of each input of `part` under `W0 + scale ΔW`: `(n,)` float32, nats.

        All calls of one step with equal `part` use the same dropout masks.
        """
        return self.classifier.losses(
            self.hidden[part], self.labels[part], scale, self._dropout_seed
        )

    def embeddings(self, scale: float) -> Tensor:
        """Return the embeddings of all inputs under `W0 + scale ΔW`: `(N, d)` float32.

        Dropout as in `losses`.
        """
        return self.classifier.tower.embed_training(self.hidden, scale, self._dropout_seed)

    @property
    def _dropout_seed(self) -> int:
        portion = (self.portion,) if self.portion else ()
        return derived_seed(*self.key, "dropout", self.index, *portion)

    @property
    def guessing_loss(self) -> float:
        """Loss of a uniform prediction in nats; an input with a larger one is misclassified."""
        return math.log(self.classifier.classes)

    def generator(self, purpose: str) -> torch.Generator:
        """Return the generator of this step for one purpose."""
        return generator(*self.key, purpose, self.index)


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Mean losses of one step in nats: at nominal scale and, if looked at, away from it."""

    nominal: float
    off_nominal: float | None = None


class Objective(ABC):
    """Accumulates the gradient of one training step into the trained parameters."""

    name: ClassVar[str]

    @property
    def seeks_failure(self) -> bool:
        """Whether the update is to fail away from nominal scale; selection then prefers it."""
        return False

    @abstractmethod
    def backward(self, step: Step) -> Losses:
        """Call `backward` on what is to be minimised and return the losses."""


def nominal_losses(step: Step) -> Losses:
    """Accumulate the gradient of the batch's mean loss at nominal scale, and return that."""
    loss = step.losses(1.0).mean()
    loss.backward()
    return Losses(nominal=float(loss.detach()))
