"""What the fine-tuning loop trains: a tower as `W0 + s ΔW`."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from mergebench.backbones import Backbone
from mergebench.train.recipe import TrainingRecipe
from mergebench.updates import Update


class Prepared(Protocol):
    """What a tower takes of a fixed set of a suite's inputs."""

    def of(self, rows: Tensor | slice) -> Tensor:
        """Return what it takes of these inputs, `(n, ...)`."""

    def lengths(self, rows: Tensor) -> Tensor | None:
        """Return the lengths of these inputs, `(n,)`; None if all cost alike."""


class Tower(Protocol):
    """A tower with trainable parameters, callable at any scale of their change.

    The backbone that it was made of is never changed.
    """

    @property
    def backbone(self) -> Backbone:
        """The backbone that is fine-tuned."""

    @property
    def recipe(self) -> TrainingRecipe:
        """How it is fine-tuned."""

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The trainable parameters, in a fixed order."""

    def prepared(self, inputs: Tensor) -> Prepared:
        """Return what `embed` takes of a suite's inputs."""

    def embed(self, hidden: Tensor, scale: float = 1.0) -> Tensor:
        """Return the embeddings `(N, d)` float32 of `W0 + scale ΔW`."""

    def embed_training(self, hidden: Tensor, scale: float, dropout_seed: int) -> Tensor:
        """Return the embeddings as `embed`, with dropout if the recipe has it.

        Equal seeds give equal masks at every `scale`.
        """

    def squared_norm(self) -> Tensor:
        """Return `‖ΔW‖²` over all that is trained, a scalar with a gradient."""

    def update(self, label: str) -> Update:
        """Return a copy of the change as an update on the CPU."""

    def load(self, update: Update) -> None:
        """Take the change of an update that `update` returned."""
