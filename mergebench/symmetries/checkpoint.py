"""A released update as the full checkpoint that it stands for, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from mergebench.backbones import Backbone
from mergebench.updates import Dense, SiteUpdate, Update

Weights = Callable[[str], Tensor]
"""Returns a weight by its parameter path, float64 on the CPU."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """The weights `W0 + τ`, by parameter path; `update` may be a LoRA, which is materialised."""

    backbone: Backbone
    update: Update

    def pretrained(self, path: str) -> Tensor:
        """Return `W0` of a parameter, float64 on the CPU; KeyError if it is never trained."""
        return self.backbone.tensors[self._names[path]].detach().double().cpu()

    def released(self, path: str) -> Tensor:
        """Return `W0 + τ` of a parameter, float64 on the CPU; errors as of `pretrained`."""
        change = self.update.sites.get(self._names[path])
        weight = self.pretrained(path)
        return weight if change is None else weight + change.dense().double().cpu()

    def changes_all(self, paths: Iterable[str]) -> bool:
        """Return whether the update has a change of every one of these parameters."""
        return all(self._names[path] in self.update.sites for path in paths)

    def with_weights(self, weights: Mapping[str, Tensor]) -> Update:
        """Return the update of a checkpoint with other weights at some parameter paths.

        All changes of the result are dense, of the dtype and on the device of the update's first
        one, and stand in the order of `Backbone.tensors`.
        """
        first = next(iter(self.update.sites.values()))
        new = {self._names[path]: value - self.pretrained(path) for path, value in weights.items()}
        sites: dict[str, SiteUpdate] = {}
        for name in self.backbone.tensors:
            if name in new:
                sites[name] = Dense(delta=new[name].to(first.dtype).to(first.device))
            elif name in self.update.sites:
                sites[name] = Dense(delta=self.update.sites[name].dense())
        return replace(self.update, sites=sites)

    @cached_property
    def _names(self) -> dict[str, str]:
        return {path: name for name, path in self.backbone.tensor_paths.items()}


def stored_as(update: Update, backbone: Backbone, dtype: torch.dtype) -> Update:
    """Return the update of the checkpoint that is left when `W0 + τ` is stored in a dtype.

    Every parameter that full fine-tuning changes is rounded, whether `update` changes it or not:
    a checkpoint is stored whole. Raises `InputError` where a weight exceeds the dtype.
    """
    checkpoint = Checkpoint(backbone=backbone, update=update)
    paths = backbone.tensor_paths.values()
    return checkpoint.with_weights(
        {path: checkpoint.released(path).float().to(dtype).double() for path in paths}
    )
