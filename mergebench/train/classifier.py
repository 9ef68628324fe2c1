"""A tower and a frozen text head as a classifier of one task."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mergebench.backbones import NO_CLASS, text_head
from mergebench.batching import Batches
from mergebench.suites import Split, Task
from mergebench.train.tower import Prepared, Tower

_EVALUATION_BATCH = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Inputs as the tower takes them, and their labels `(N,)` int64, on its device."""

    hidden: Prepared
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


class Classifier:
    """Logits of `task`: the logit scale times cosine similarities to its frozen text head."""

    def __init__(self, tower: Tower, task: Task) -> None:
        self.tower = tower
        backbone = tower.backbone
        self._head = text_head(backbone, task.classes, task.templates)
        self.classes = len(task.classes)
        chosen = tower.recipe.logit_scale
        self._batches = Batches(_EVALUATION_BATCH)
        self._logit_scale = backbone.logit_scale if chosen is None else chosen

    def examples(self, split: Split) -> Examples:
        """Return the inputs of a split, ready for `losses` and `correct`."""
        labels = split.labels.to(self.tower.backbone.device)
        return Examples(hidden=self.tower.prepared(split.inputs), labels=labels)

    def losses(self, hidden: Tensor, labels: Tensor, scale: float, dropout_seed: int) -> Tensor:
        """Return the cross entropy of each input in nats, `(N,)` float32, with LoRA's dropout.

        `hidden`: inputs as the tower takes them, `(N, ...)`; `labels`: `(N,)` int64; `scale`: on
        the update.
        """
        embeddings = self.tower.embed_training(hidden, scale, dropout_seed)
        return functional.cross_entropy(self.logits(embeddings), labels, reduction="none")

    def correct(self, examples: Examples, scale: float = 1.0) -> int:
        """Return how many inputs are classified correctly by `W0 + scale ΔW`."""
        return int((self.predicted(examples, scale) == examples.labels).sum())

    @torch.inference_mode()
    def predicted(self, examples: Examples, scale: float = 1.0) -> Tensor:
        """Return the classes of the inputs by `W0 + scale ΔW`: `(N,)` int64, else `NO_CLASS`."""
        rows = torch.arange(len(examples), device=examples.labels.device)

        def classes(batch: Tensor) -> Tensor:
            embeddings = self.tower.embed(examples.hidden.of(batch), scale)
            return self.logits(embeddings).argmax(1).where(embeddings.isfinite().all(1), NO_CLASS)

        return self._batches.of(classes, rows, examples.hidden.lengths(rows))

    def logits(self, embeddings: Tensor) -> Tensor:
        """Return the logits `(N, classes)` float32 of embeddings `(N, d)`."""
        return self._logit_scale * functional.normalize(embeddings, dim=-1) @ self._head.T
