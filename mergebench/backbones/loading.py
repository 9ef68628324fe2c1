"""Backbones by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mergebench.backbones.sources import RANDOM, BertSource, ClipSource, find_source
from mergebench.missing import MissingItem

if TYPE_CHECKING:
    import torch

    from mergebench.backbones.backbone import Backbone


def load_backbone(
    name: str, *, device: str | torch.device = "cpu", weights: str | Path | None = None
) -> Backbone:
    """Return the backbone of that name in float32 on `device`.

    `weights`: None for its own (the embedded checkpoint, or the published weights, downloaded into
    the Hugging Face cache if they are not there); "random" for untrained weights, the same each
    time; else a file or folder of weights. Equal weights have one `sha256`, however they were
    written. Raises InputError for an unknown name and for weights that are missing, damaged, of
    another architecture or trained with another activation.
    """
    source = find_source(name)
    if isinstance(source, BertSource):
        from mergebench.backbones.bert import load_bert

        return load_bert(name, source, device=device, weights=weights)
    from mergebench.backbones.clip import load_clip

    assert isinstance(source, ClipSource)
    return load_clip(name, source, device=device, weights=weights)


def missing_weights(name: str, weights: str | Path | None = None) -> MissingItem | None:
    """Return which weights are missing and how to get them; None if none are.

    Arguments as of `load_backbone`. Asks the Hugging Face Hub, for seconds at most, only where a
    download would be needed. Raises `InputError` for weights that are given but are not those of
    the backbone, as far as can be said without reading their values, and where libraries that the
    backbone needs are not installed.
    """
    source = find_source(name)
    if isinstance(source, BertSource):
        from mergebench.backbones.bert import missing_bert

        return missing_bert(name, source, weights)
    from mergebench.backbones.clip import missing_clip

    assert isinstance(source, ClipSource)
    return None if weights == RANDOM else missing_clip(name, source, weights)
