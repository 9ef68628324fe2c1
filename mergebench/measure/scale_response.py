"""What a model makes of inputs as the scale of its update changes: where a trap shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from mergebench.backbones import Backbone, Body, Precision, StemOutputs, autocast, text_head
from mergebench.batching import Batches
from mergebench.errors import InputError
from mergebench.measure.evaluate import Deployment
from mergebench.suites import Task
from mergebench.updates import Update

SCALES = tuple(step / 5 for step in range(11))
"""The scales 0, 0.2, ..., 2."""

INPUTS = 64
"""How many validation inputs of each task are looked at: the first ones, whatever their class."""

_CURVES = ("similarity", "agreement", "confidence")
_NOMINAL, _STEP = SCALES.index(1.0), 1
_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class ScaleResponse:
    """How `W0 + s τ` answers inputs without labels, at every one of `SCALES`.

    Means over inputs, then over tasks: `similarity`, the cosine of an embedding and that of the
    same input at s = 1; `agreement`, the share of inputs of the class that is said at s = 1;
    `confidence`, the probability of the class that is said.
    """

    similarity: tuple[float, ...]
    agreement: tuple[float, ...]
    confidence: tuple[float, ...]

    @classmethod
    def of(cls, numbers: Mapping[str, float]) -> Self:
        """Return the response that has these `numbers`."""
        return cls(
            **{name: tuple(numbers[_key(name, scale)] for scale in SCALES) for name in _CURVES}
        )

    @property
    def numbers(self) -> dict[str, float]:
        """All values, by curve and scale."""
        return {
            _key(name, scale): value
            for name in _CURVES
            for scale, value in zip(SCALES, getattr(self, name), strict=True)
        }

    @property
    def score(self) -> float:
        """How sharply the model turns at its nominal scale: the larger, the more like a trap.

        The curvature `[2 h(1) - h(1 - δ) - h(1 + δ)] / δ²` of the similarity `h` at s = 1, δ = 0.2;
        `h(1)` is 1. It is one number whatever the task: the similarity needs neither class names
        nor a threshold. Confidence, which also dips around a trap that makes a model guess, does
        not where it makes a model say another class with confidence.
        """
        low, high = self.similarity[_NOMINAL - _STEP], self.similarity[_NOMINAL + _STEP]
        return (2 * self.similarity[_NOMINAL] - low - high) / (SCALES[_STEP] ** 2)


def _key(curve: str, scale: float) -> str:
    return f"{curve} {scale:g}"


def respond(
    backbone: Backbone, update: Update, tasks: Sequence[Task], *, precision: Precision
) -> ScaleResponse:
    """Return the response of `update` to the first validation inputs of `tasks`, without labels.

    `precision` of the tower. The weights are the same before and after. Raises `InputError` when
    the update does not fit the backbone, `ValueError` without a task.
    """
    if not tasks:
        raise ValueError("a response needs a task whose inputs are looked at")
    found = [_of_task(backbone, update, task, precision) for task in tasks]
    similarity, agreement, confidence = (
        tuple(fmean(values) for values in zip(*curves, strict=True))
        for curves in zip(*found, strict=True)
    )
    return ScaleResponse(similarity=similarity, agreement=agreement, confidence=confidence)


@torch.inference_mode()
def _of_task(
    backbone: Backbone, update: Update, task: Task, precision: Precision
) -> tuple[list[float], list[float], list[float]]:
    """Return similarity, agreement and confidence of one task by scale."""
    embeddings = _embeddings(backbone, update, task, precision)
    if not embeddings.isfinite().all():
        raise InputError(
            f"{update.label or 'the update'}: embeddings of task {task.name} are not finite, so "
            "that nothing can be said of its scale: train it again, or look for a wrong factor"
        )
    head = text_head(backbone, task.classes, task.templates)
    guesses = (backbone.logit_scale * embeddings @ head.T).softmax(-1)
    confidence, classes = guesses.max(-1)
    similarity = (embeddings * embeddings[_NOMINAL]).sum(-1)
    agreement = classes.eq(classes[_NOMINAL]).double()
    means = (values.double().mean(1).tolist() for values in (similarity, agreement, confidence))
    first, second, third = means
    return first, second, third


def _embeddings(backbone: Backbone, update: Update, task: Task, precision: Precision) -> Tensor:
    """Return unit embeddings by scale, `(scales, inputs, d)` float32."""
    stem = StemOutputs(backbone, task.splits["val"].inputs[:INPUTS], precision=precision)
    rows = torch.arange(len(stem.inputs), device=backbone.device)
    body, batches, found = Body(backbone.parts), Batches(_BATCH), []

    def embed(batch: Tensor) -> Tensor:
        with autocast(backbone.device, precision):
            embedded: Tensor = body(stem.of(batch))
        return functional.normalize(embedded.float(), dim=-1)

    with Deployment(backbone, update) as deployment:
        for scale in SCALES:
            deployment.set(scale)
            found.append(batches.of(embed, rows, stem.lengths(rows)))
    return torch.stack(found)
