"""A vision tower in two stages: its stem, which no update of the sites changes, and its body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mergebench.backbones.backbone import Backbone
from mergebench.backbones.images import Images
from mergebench.backbones.precision import Precision, autocast
from mergebench.backbones.tower_parts import blocks, check_tower, is_vit, stem, suffix
from mergebench.batching import Batches

KEPT_BYTES = 1 << 28
"""Stem outputs of one set of images are kept up to this size, which holds the embedded suite's."""

_BATCH = 128


class Body(nn.Module):
    """What `tower` computes after its stem: `(N, ...)` stem outputs to `(N, d)` embeddings.

    It shares the modules of `tower`, whose parameters it has under `tower.`. Raises TypeError for a
    tower that is neither open_clip's ViT nor a ConvNeXt.
    """

    tower: Any

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        check_tower(tower)
        self.tower = tower

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the embeddings `(N, d)` of the stem outputs."""
        for block in blocks(self.tower).values():
            hidden = block(hidden)
        return suffix(self.tower, hidden)


def stem_parameters(tower: Any) -> list[nn.Parameter]:
    """Return the parameters that the stem's outputs depend on."""
    if is_vit(tower):
        parts = [*tower.conv1.parameters(), *tower.ln_pre.parameters()]
        return [*parts, tower.class_embedding, tower.positional_embedding]
    return [*tower.trunk.stem.parameters()]


class StemOutputs:
    """What the body of a backbone takes, for a fixed set of `(N, 3, S, S)` uint8 images.

    `images`: a tensor, or images on the backbone's device. Computed once and kept if it is small
    enough (`KEPT_BYTES`); else, and from the first write to a parameter of the stem on, computed
    from the pixels at every request. Neither changes the values.
    """

    def __init__(
        self, backbone: Backbone, images: Tensor | Images, *, precision: Precision
    ) -> None:
        self.backbone = backbone
        if isinstance(images, Tensor):
            images = Images([images], backbone.device)
        self.images = images
        self.precision = precision
        self._kept: Tensor | None = None
        self._versions: Sequence[int] = ()
        self._undecided = True
        self._batches = Batches(_BATCH)

    def of(self, rows: Tensor | slice) -> Tensor:
        """Return the stem outputs of these images, `(n, ...)`, in the tower's arithmetic."""
        with torch.inference_mode(False), torch.no_grad():
            if self._undecided:
                self._keep_if_small()
            if self._kept is not None and self._versions != self._written():
                self._kept = None  # a version never comes back, also where the values do
            if self._kept is not None:
                return self._kept[rows]
            return self._compute(self.images.of(rows))

    def _compute(self, images: Tensor) -> Tensor:
        with autocast(self.backbone.device, self.precision):
            return stem(self.backbone.visual, self.backbone.preprocess(images))

    def _keep_if_small(self) -> None:
        self._undecided = False
        if self._compute(self.images.of(slice(1))).nbytes * len(self.images) <= KEPT_BYTES:
            self._versions = self._written()
            rows = torch.arange(len(self.images))
            self._kept = self._batches.of(lambda batch: self._compute(self.images.of(batch)), rows)

    def _written(self) -> list[int]:
        """Return how often each parameter of the stem was written to in place."""
        return [parameter._version for parameter in stem_parameters(self.backbone.visual)]
