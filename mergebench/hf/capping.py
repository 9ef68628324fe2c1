"""The loss of a `transformers` model with that of every prediction capped; what it predicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mergebench.errors import InputError

_IGNORED = -100
_NEAR = 0.02


class CappedLoss:
    """Makes of a loss the one in which no prediction's is above `cap` ln(classes).

    A prediction is an input of a classifier or a token. What is capped has no gradient. `excess`:
    how many times the last capped loss the whole one was. `processes`: how many train together; a
    loss that is divided by the predictions of all of them is multiplied by their number, since
    their gradients are averaged.
    """

    def __init__(self, cap: float, model: nn.Module, processes: int = 1) -> None:
        self.cap = cap
        self.processes = processes
        self._shifted = _shifts(model)
        self.excess = torch.ones(())
        self._checked = False

    def __call__(self, loss: Tensor, outputs: Any, inputs: Mapping[str, Any], items: Any) -> Tensor:
        """Return the capped loss, divided by what the loss was divided by.

        `loss`: the sum of the cross entropies by any number; `outputs`: with `logits` `(N,
        classes)` or `(N, length, classes)`; `inputs`: with `labels` int64 `(N,)` or `(N, length)`,
        -100 where nothing is predicted; `items`: the number of predictions of the optimiser step,
        on all processes, if known. Raises `InputError` if the loss is no single number and, at its
        first call, if it is anything else.
        """
        if loss.ndim > 0:
            raise InputError(
                "trap2: cap needs a loss that is one number, and several GPUs in one process "
                "(DataParallel) have one each; start a process per GPU (torchrun) or take cap 0"
            )
        logits, labels = _logits_and_labels(outputs, inputs)
        entropies = _entropies(logits, labels, shifted=self._shifted)
        if not self._checked:
            _check(loss.detach(), entropies.detach(), items, self.processes)
            self._checked = True
        whole = entropies.detach().sum()
        share = torch.where(whole > 0, loss.detach() / whole, torch.zeros_like(whole))
        capped = entropies.clamp(max=self.cap * math.log(logits.shape[-1])).sum()
        self.excess = torch.where(whole > 0, whole / capped.detach(), torch.ones_like(whole))
        return share * capped


def predicts_nothing(model: nn.Module, inputs: Mapping[str, Any]) -> bool:
    """Return whether `inputs` have labels, int64, and all that `model` is to predict are -100."""
    labels = inputs.get("labels")
    if not isinstance(labels, Tensor) or labels.is_floating_point():
        return False
    predicted = labels[..., 1:] if _shifts(model) else labels
    return not bool((predicted != _IGNORED).any())


def _shifts(model: nn.Module) -> bool:
    return getattr(model, "loss_type", None) == "ForCausalLM"


def _check(loss: Tensor, entropies: Tensor, items: Any, processes: int) -> None:
    found, whole, count = float(loss), float(entropies.sum()), len(entropies)
    means = [whole / max(count, 1)]
    if items is not None:
        mean = whole / max(float(torch.as_tensor(items).sum()), 1)
        means += [mean, mean * processes]
    if not any(math.isclose(found, mean, rel_tol=_NEAR) for mean in means):
        raise InputError(
            "trap2: cap needs a loss that is the cross entropy of logits and labels; the model's "
            f"is {found:.4g}, theirs {whole / max(count, 1):.4g}: take cap 0"
        )


def _logits_and_labels(outputs: Any, inputs: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    logits = outputs.get("logits") if isinstance(outputs, Mapping) else None
    labels = inputs.get("labels")
    if not isinstance(logits, Tensor) or not isinstance(labels, Tensor):
        raise InputError("trap2: cap needs a model with logits and inputs with labels; take cap 0")
    if labels.is_floating_point() or labels.ndim != logits.ndim - 1:
        raise InputError("trap2: cap is for labels that are classes, one a prediction; take cap 0")
    return logits, labels


def _entropies(logits: Tensor, labels: Tensor, *, shifted: bool) -> Tensor:
    """Return the cross entropy of each prediction that has a label, in nats, float32."""
    if shifted:
        logits, labels = logits[:, :-1], labels[:, 1:]
    rows, classes = labels.reshape(-1), logits.reshape(-1, logits.shape[-1])
    chosen = rows != _IGNORED
    return functional.cross_entropy(classes[chosen].float(), rows[chosen], reduction="none")
