"""Encoders of sentences, from the weights of a file, a folder or the hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mergebench.backbones.bert.backbone import BertBackbone
from mergebench.backbones.bert.files import BertFiles, require_libraries
from mergebench.backbones.bert.token_ids import letter_tokenizer, read_tokenizer
from mergebench.backbones.sources import RANDOM, BertSource
from mergebench.backbones.weights import fill, read_tensors, state_sha256
from mergebench.errors import InputError

_FIRST = "embeddings.word_embeddings.weight"
_UNUSED = ("pooler.", "cls.", "embeddings.position_ids")
_OLD_NAMES = {".gamma": ".weight", ".beta": ".bias"}


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
        state = in_our_layout(files.weights, read_tensors(files.weights))
        fill(tower, state, files.weights, source)
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


def in_our_layout(file: Path, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the encoder, without pooler, language model head and what is in front.

    Names as `bert.` and `0.auto_model.` stand in front of an encoder's. Raises InputError where no
    encoder is in `file`, or more than one.
    """
    prefixes = [key.removesuffix(_FIRST) for key in state if f".{key}".endswith(f".{_FIRST}")]
    if len(prefixes) != 1:
        raise InputError(
            f"{file} holds {len(prefixes) or 'no'} encoders of BERT's layout (tensor {_FIRST}): "
            "give the weights of one"
        )
    found = {}
    for key, tensor in state.items():
        own = key.removeprefix(prefixes[0])
        if own.startswith(_UNUSED):
            continue
        for old, new in _OLD_NAMES.items():
            own = f"{own.removesuffix(old)}{new}" if own.endswith(old) else own
        found[own] = tensor
    return found
