"""Encoders of sentences, from the weights of a file, a folder or the hub."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from mergebench.backbones.bert.backbone import BertBackbone
from mergebench.backbones.bert.files import BertFiles, require_libraries
from mergebench.backbones.bert.fitting import load_weights
from mergebench.backbones.bert.token_ids import letter_tokenizer, read_tokenizer
from mergebench.backbones.sources import RANDOM, BertSource
from mergebench.backbones.weights import state_sha256


def load_bert(
    name: str, source: BertSource, *, device: str | torch.device, weights: str | Path | None
) -> BertBackbone:
    """Return the encoder of that name; arguments and errors as of `load_backbone`.

    `weights`: a folder with `model.safetensors` and `tokenizer.json`, or the former, which the
    latter lies beside.
    """
    require_libraries(name)
    from mergebench.backbones.bert.tower import create_tower

    tower: nn.Module = create_tower(source)
    if weights == RANDOM:
        tokenize, sha256 = letter_tokenizer(source), RANDOM
    else:
        files = BertFiles.of(source, None if weights is None else Path(weights))
        tokenize = read_tokenizer(files.tokenizer, source)
        load_weights(tower, files.weights, source)
        sha256 = state_sha256(tower)
    return BertBackbone(
        name=name,
        model=tower.to(device),
        scale=source.logit_scale,
        tokenize=tokenize,
        sha256=sha256,
        site_pattern=source.sites,
        untrained_pattern=source.untrained,
    )
