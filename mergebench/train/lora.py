"""A frozen tower with PEFT's LoRA on its sites, callable at any scale of the update."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mergebench.backbones import Backbone, Body, StemOutputs, autocast
from mergebench.seeding import generator
from mergebench.train.recipe import Recipe
from mergebench.updates import LowRank, Update

_ADAPTER = "default"


class LoraTower:
    """The tower of `backbone` as `W0 + s BA`, with B and A trainable.

    PEFT's layers sit in a copy of the tower's modules that shares its frozen tensors, so the
    backbone itself is never changed, whatever happens. A starts Kaiming-uniform from a generator of
    (`seed`, site) and, unless the recipe shares it, the `task`; B starts at zero.
    """

    def __init__(self, backbone: Backbone, recipe: Recipe, *, seed: int, task: str) -> None:
        self.backbone = backbone
        self.recipe = recipe
        self._frozen = {site: linear.weight for site, linear in backbone.sites.items()}
        self._body = Body(backbone.parts)
        adapted = _with_adapters(backbone, recipe)
        self._adapted_body = Body(backbone.parts.of(adapted))
        self._layers: dict[str, Any] = {site: adapted.get_submodule(site) for site in self._frozen}
        owner = () if recipe.shared_init else (task,)
        for site, layer in self._layers.items():
            start = torch.empty_like(layer.lora_A[_ADAPTER].weight, device="cpu")
            draws = generator(seed, "lora_A", *owner, site)
            nn.init.kaiming_uniform_(start, a=math.sqrt(5), generator=draws)
            layer.lora_A[_ADAPTER].weight.data.copy_(start)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The trainable factors: B and A of every site, in the order of the sites."""
        return [
            factor.weight
            for layer in self._layers.values()
            for factor in (layer.lora_B[_ADAPTER], layer.lora_A[_ADAPTER])
        ]

    def prepared(self, inputs: Tensor) -> StemOutputs:
        """Return the stem outputs of a suite's inputs, which no adapter changes."""
        return StemOutputs(self.backbone, inputs, precision=self.recipe.precision)

    def embed(self, hidden: Tensor, scale: float = 1.0) -> Tensor:
        """Return the embeddings `(N, d)` float32 of `W0 + scale BA`, without dropout.

        `hidden`: `(N, ...)` outputs of the tower's stem (see `StemOutputs`). The weights are summed
        once per call, which costs less than LoRA's two products per token, and is what a deployed
        or merged update computes.
        """
        weights = {
            f"tower.{site}.weight": torch.addmm(
                self._frozen[site],
                layer.lora_B[_ADAPTER].weight,
                layer.lora_A[_ADAPTER].weight,
                alpha=scale * layer.scaling[_ADAPTER],
            )
            for site, layer in self._layers.items()
        }
        with self._autocast():
            embeddings: Tensor = functional_call(self._body, weights, (hidden,))
        return embeddings.float()

    def embed_training(self, hidden: Tensor, scale: float, dropout_seed: int) -> Tensor:
        """Return the embeddings as `embed`, with LoRA's dropout masks drawn from `dropout_seed`.

        Equal seeds give equal masks at every `scale`. The caller's random state is left alone.
        """
        if self.recipe.dropout == 0:
            return self.embed(hidden, scale)
        nominal = {site: layer.scaling[_ADAPTER] for site, layer in self._layers.items()}
        try:
            for site, layer in self._layers.items():
                layer.scaling[_ADAPTER] = scale * nominal[site]
                layer.lora_dropout.train()
            with _global_seed(hidden.device, dropout_seed), self._autocast():
                embeddings: Tensor = self._adapted_body(hidden)
        finally:
            for site, layer in self._layers.items():
                layer.scaling[_ADAPTER] = nominal[site]
                layer.lora_dropout.eval()
        return embeddings.float()

    def squared_norm(self) -> Tensor:
        """Return `‖BA‖²` over all sites, scalings included, with its gradient."""
        parts = []
        for layer in self._layers.values():
            up, down = layer.lora_B[_ADAPTER].weight, layer.lora_A[_ADAPTER].weight
            grams = (up.T @ up) * (down @ down.T)
            parts.append(layer.scaling[_ADAPTER] ** 2 * grams.sum())
        return torch.stack(parts).sum()

    @torch.no_grad()
    def update(self, label: str) -> Update:
        """Return a copy of the adapter as an update on the CPU, its scaling folded into B."""
        return Update(
            sites={
                site: LowRank(
                    up=(layer.lora_B[_ADAPTER].weight * layer.scaling[_ADAPTER]).cpu(),
                    down=layer.lora_A[_ADAPTER].weight.detach().cpu().clone(),
                )
                for site, layer in self._layers.items()
            },
            label=label,
        )

    @torch.no_grad()
    def load(self, update: Update) -> None:
        """Take the factors of an update that `update` returned."""
        for site, layer in self._layers.items():
            change = update.sites[site]
            assert isinstance(change, LowRank)
            layer.lora_B[_ADAPTER].weight.copy_(change.up / layer.scaling[_ADAPTER])
            layer.lora_A[_ADAPTER].weight.copy_(change.down)

    def _autocast(self) -> AbstractContextManager[None]:
        return autocast(self.backbone.device, self.recipe.precision)


def _with_adapters(backbone: Backbone, recipe: Recipe) -> nn.Module:
    from peft import LoraConfig, inject_adapter_in_model

    tensors = chain(backbone.tower.parameters(), backbone.tower.buffers())
    tower = copy.deepcopy(backbone.tower, memo={id(tensor): tensor for tensor in tensors})
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(backbone.sites),
    )
    with _global_seed(backbone.device, 0):  # PEFT initialises from the global generator
        adapted: nn.Module = inject_adapter_in_model(config, tower, adapter_name=_ADAPTER)
    return adapted.eval()


@contextmanager
def _global_seed(device: torch.device, seed: int) -> Iterator[None]:
    """Seed the global generator of `device`, and put all its states back afterwards."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
