"""A tower of which every weight is trained, callable at any scale of the change."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mergebench.backbones import Backbone, Inputs, autocast
from mergebench.train.recipe import FullRecipe
from mergebench.updates import Dense, Update


@dataclass(frozen=True, kw_only=True, eq=False)
class Whole:
    """What the whole tower takes, prepared at every request: its stem is trained with the rest."""

    backbone: Backbone
    inputs: Inputs

    def of(self, rows: Tensor | slice) -> Tensor:
        """Return the inputs, prepared, on the backbone's device."""
        return self.backbone.prepare(self.inputs.of(rows))

    def lengths(self, rows: Tensor) -> Tensor | None:
        """Return the lengths of these inputs, `(n,)`; None if all cost alike."""
        return self.inputs.lengths(rows)


class FullTower:
    """The tower of `backbone` as `W0 + s (W - W0)`, with every W of `Backbone.tensors` trainable.

    The trained parameters are a copy; a call puts the scaled ones in place of the tower's own for
    its duration. A call at nominal scale takes W as it is, so that plain training holds no other
    copy. Source: the Trap² reference's full fine-tuning, which leaves the projection alone as well.
    """

    def __init__(self, backbone: Backbone, recipe: FullRecipe) -> None:
        self.backbone = backbone
        self.recipe = recipe
        self._start = {name: weight.detach() for name, weight in backbone.tensors.items()}
        self._paths = backbone.tensor_paths
        self._trained = {name: nn.Parameter(weight.clone()) for name, weight in self._start.items()}

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The trained W, in the order of `Backbone.tensors`."""
        return [*self._trained.values()]

    def prepared(self, inputs: Tensor) -> Whole:
        """Return a suite's inputs for the whole tower: no part of it is fixed."""
        return Whole(backbone=self.backbone, inputs=Inputs([inputs], self.backbone))

    def embed(self, hidden: Tensor, scale: float = 1.0) -> Tensor:
        """Return the embeddings `(N, d)` float32 of `W0 + scale (W - W0)`.

        `hidden`: prepared inputs. The gradient with respect to W carries the
        factor `scale`.
        """
        weights = {self._paths[name]: self._at(name, scale) for name in self._trained}
        with autocast(self.backbone.device, self.recipe.precision):
            embeddings: Tensor = functional_call(self.backbone.tower, weights, (hidden,))
        return embeddings.float()

    def embed_training(self, hidden: Tensor, scale: float, dropout_seed: int) -> Tensor:
        """Return the embeddings as `embed`: there is no dropout, and no mask to draw."""
        return self.embed(hidden, scale)

    def squared_norm(self) -> Tensor:
        """Return `‖W - W0‖²` over every trained parameter, with its gradient."""
        changes = [weight - self._start[name] for name, weight in self._trained.items()]
        return torch.stack([change.square().sum() for change in changes]).sum()

    @torch.no_grad()
    def update(self, label: str) -> Update:
        """Return `W - W0` of every trained parameter, on the CPU."""
        sites = {
            name: Dense(delta=(weight - self._start[name]).cpu())
            for name, weight in self._trained.items()
        }
        return Update(sites=sites, label=label)

    @torch.no_grad()
    def load(self, update: Update) -> None:
        """Take the weights `W0 + ΔW` of an update that `update` returned."""
        for name, weight in self._trained.items():
            weight.copy_(self._start[name] + update.sites[name].dense().to(weight.device))

    def _at(self, name: str, scale: float) -> Tensor:
        trained = self._trained[name]
        return trained if scale == 1 else torch.lerp(self._start[name], trained, scale)
