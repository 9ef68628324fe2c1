"""The small encoder in float64 NumPy, one text at a time, so that there is no padding at all."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import erf
from small_encoder import LINEARS, SOURCE

Arrays = dict[str, np.ndarray]

GROUPS = (
    ("attention.self.query", "attention.self.key", "attention.self.value"),
    ("attention.output.dense",),
    ("intermediate.dense",),
    ("output.dense",),
)
"""The linears of a layer that are given the same, in the order in which they run."""


def linear_inputs(weights: Arrays, ids: torch.Tensor) -> Arrays:
    """Return what every linear is given, `(tokens, n)`, for `(N, L)` ids padded with 0."""
    seen: dict[str, list[np.ndarray]] = {}
    for row in ids.numpy():
        for site, given in _of_one_text(weights, row[row != 0]).items():
            seen.setdefault(site, []).append(given)
    return {site: np.concatenate(given) for site, given in seen.items()}


def _of_one_text(weights: Arrays, ids: np.ndarray) -> Arrays:
    tables = [weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position")]
    types = weights["embeddings.token_type_embeddings.weight"]
    embedded = tables[0][ids] + tables[1][: len(ids)] + types[0]
    hidden, seen = _normed(weights, "embeddings.LayerNorm", embedded), Arrays()
    for number in range(SOURCE.layers):
        layer = f"encoder.layer.{number}"

        def linear(name: str, given: np.ndarray, layer: str = layer) -> np.ndarray:
            assert name in LINEARS
            seen[f"{layer}.{name}"] = given
            path = f"{layer}.{name}"
            return given @ weights[f"{path}.weight"].T + weights[f"{path}.bias"]

        projected = [linear(f"attention.self.{part}", hidden) for part in ("query", "key", "value")]
        attended = linear("attention.output.dense", _attended(*map(_heads, projected)))
        middle = _normed(weights, f"{layer}.attention.output.LayerNorm", attended + hidden)
        wide = linear("intermediate.dense", middle)
        narrow = linear("output.dense", wide * (1 + erf(wide / np.sqrt(2))) / 2)
        hidden = _normed(weights, f"{layer}.output.LayerNorm", narrow + middle)
    return seen


def _attended(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the joined heads `(tokens, width)` of `(heads, tokens, width of a head)` each."""
    logits = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    heads = (shares / shares.sum(-1, keepdims=True)) @ v
    return heads.swapaxes(0, 1).reshape(q.shape[1], -1)


def _heads(projected: np.ndarray) -> np.ndarray:
    return projected.reshape(len(projected), SOURCE.heads, -1).swapaxes(0, 1)


def _normed(weights: Arrays, path: str, hidden: np.ndarray) -> np.ndarray:
    centred = hidden - hidden.mean(-1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return unit * weights[f"{path}.weight"] + weights[f"{path}.bias"]
