"""What is measured on a released update and stored with it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mergebench.backbones import Backbone
from mergebench.seeding import generator
from mergebench.suites import Split
from mergebench.train.classifier import Classifier, Examples
from mergebench.updates import LowRank, Update

CURVE_SCALES = tuple(step / 20 for step in range(41))
"""The scales 0, 0.05, ..., 2 of a scale curve."""


def probe_split(split: Split, count: int, seed: int) -> Split:
    """Return `count` inputs of `split` drawn without replacement, or all if there are fewer."""
    order = torch.randperm(len(split), generator=generator(seed, "probe"))[:count]
    return Split(inputs=split.inputs[order], labels=split.labels[order])


def scale_curve(classifier: Classifier, examples: Examples) -> dict[str, Any]:
    """Return correct counts of `W0 + s ΔW` on `examples` for s = 0, 0.05, ..., 2."""
    counts = [classifier.correct(examples, scale) for scale in CURVE_SCALES]
    return {"scales": list(CURVE_SCALES), "correct": counts, "images": len(examples)}


def norm_ratios(backbone: Backbone, update: Update) -> dict[str, Any]:
    """Return `‖ΔW‖ / ‖W0‖` (Frobenius) of each changed tensor and over all of them together.

    None for a tensor that is zero in the backbone.
    """
    tensors = backbone.tensors
    weights = {site: _norm(tensors[site]) for site in update.sites}
    changes = {site: _norm(change.dense()) for site, change in update.sites.items()}
    total = _norm(torch.tensor(list(changes.values()))) / _norm(torch.tensor([*weights.values()]))
    ratios = {site: changes[site] / weights[site] if weights[site] else None for site in changes}
    return {"total": total, "sites": ratios}


def init_drift(start: Update, end: Update) -> float | None:
    """Return `‖A - A0‖ / ‖A0‖` over all sites: how far A moved; None without low-rank factors."""
    pairs = [
        (before.down, after.down)
        for before, after in zip(start.sites.values(), end.sites.values(), strict=True)
        if isinstance(before, LowRank) and isinstance(after, LowRank)
    ]
    if not pairs:
        return None
    moved = torch.tensor([_norm(after - before) for before, after in pairs])
    return _norm(moved) / _norm(torch.tensor([_norm(before) for before, _ in pairs]))


def _norm(tensor: Tensor) -> float:
    return float(tensor.detach().double().norm())
