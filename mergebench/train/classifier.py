"""A tower and a frozen text head as a classifier of one task."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mergebench.backbones import text_head
from mergebench.suites import Split, Task
from mergebench.train.lora import LoraTower

_EVALUATION_BATCH = 256


class Classifier:
    """Logits of `task`: the logit scale times cosine similarities to its frozen text head."""

    def __init__(self, tower: LoraTower, task: Task) -> None:
        self.tower = tower
        backbone = tower.backbone
        self._head = text_head(backbone, task.classes, task.templates)
        self.classes = len(task.classes)
        chosen = tower.recipe.logit_scale
        self._logit_scale = backbone.logit_scale if chosen is None else chosen

    def losses(self, images: Tensor, labels: Tensor, scale: float, dropout_seed: int) -> Tensor:
        """Return the cross entropy of each image in nats, `(N,)` float32, with LoRA's dropout.

        `images`: `(N, 3, H, W)` uint8; `labels`: `(N,)` int64 on the backbone's device; `scale`: on
        the update.
        """
        pixels = self.tower.backbone.preprocess(images)
        embeddings = self.tower.embed_training(pixels, scale, dropout_seed)
        return functional.cross_entropy(self._logits(embeddings), labels, reduction="none")

    @torch.inference_mode()
    def correct(self, split: Split, scale: float = 1.0) -> int:
        """Return how many images are classified correctly by `W0 + scale BA`."""
        correct = 0
        for first in range(0, len(split), _EVALUATION_BATCH):
            batch = slice(first, first + _EVALUATION_BATCH)
            pixels = self.tower.backbone.preprocess(split.images[batch])
            predicted = self._logits(self.tower.embed(pixels, scale)).argmax(1).cpu()
            correct += int((predicted == split.labels[batch]).sum())
        return correct

    def _logits(self, embeddings: Tensor) -> Tensor:
        return self._logit_scale * functional.normalize(embeddings, dim=-1) @ self._head.T
