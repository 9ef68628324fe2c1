"""A vision tower of which every weight is trained, callable at any scale of the change."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mergebench.backbones import Backbone, Images, autocast
from mergebench.train.recipe import FullRecipe
from mergebench.updates import Dense, Update


@dataclass(frozen=True, kw_only=True, eq=False)
class Pixels:
    """Normalised images, computed at every request: a tower's stem is trained with the rest."""

    backbone: Backbone
    images: Images

    def of(self, rows: Tensor | slice) -> Tensor:
        """Return `(n, 3, H, W)` float32 on the backbone's device."""
        return self.backbone.preprocess(self.images.of(rows))


class FullTower:
    """The tower of `backbone` as `W0 + s (W - W0)`, with every W but the projection trainable.

    The trained parameters are a copy; a call puts the scaled ones in place of the tower's own for
    its duration. A call at nominal scale takes W as it is, so that plain training holds no other
    copy. Source: the Trap² reference's full fine-tuning, whose projection is frozen too.
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

    def inputs(self, images: Tensor) -> Pixels:
        """Return the pixels of `(N, 3, S, S)` uint8 images: no part of the tower is fixed."""
        return Pixels(backbone=self.backbone, images=Images([images], self.backbone.device))

    def embed(self, hidden: Tensor, scale: float = 1.0) -> Tensor:
        """Return the embeddings `(N, d)` float32 of `W0 + scale (W - W0)`.

        `hidden`: `(N, 3, H, W)` normalised pixels. The gradient with respect to W carries the
        factor `scale`.
        """
        weights = {self._paths[name]: self._at(name, scale) for name in self._trained}
        with autocast(self.backbone.device, self.recipe.precision):
            embeddings: Tensor = functional_call(self.backbone.visual, weights, (hidden,))
        return embeddings.float()

    def embed_training(self, hidden: Tensor, scale: float, dropout_seed: int) -> Tensor:
        """Return the embeddings as `embed`: there is no dropout, and no mask to draw."""
        return self.embed(hidden, scale)

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
