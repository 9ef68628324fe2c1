"""Backbones by name: the embedded ones from the package, the others from published weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mergebench.backbones.backbone import Backbone
from mergebench.backbones.sources import EMBEDDED, BackboneSource, find_source, resolution_of
from mergebench.backbones.tokenizer import WordTokenizer
from mergebench.backbones.weights import (
    EMBEDDED_FOLDER,
    RANDOM,
    read_checkpoint,
    read_vocabulary,
    weights_file,
)

if TYPE_CHECKING:
    import open_clip

Tokenize = Callable[[Sequence[str]], Tensor]


@dataclass(frozen=True, kw_only=True)
class _Weights:
    model: open_clip.CLIP
    tokenize: Tokenize
    sha256: str


def load_backbone(
    name: str, *, device: str | torch.device = "cpu", weights: str | Path | None = None
) -> Backbone:
    """Return the backbone of that name in float32 on `device`.

    `weights`: None for its own (the embedded checkpoint, or the published weights, downloaded into
    the Hugging Face cache if they are not there); "random" for untrained weights, the same each
    time; else, instead of an embedded checkpoint, a folder that pretraining wrote, and instead of a
    download, a file or folder (see `weights_file` and `load_weights`). Equal weights have one
    `sha256`, however they were written. Raises InputError for an unknown name and for weights that
    are missing, damaged, of another architecture or trained with another activation.
    """
    source = find_source(name)
    if weights == RANDOM:
        loaded = _random_weights(source)
    elif name in EMBEDDED:
        loaded = _embedded_weights(name, EMBEDDED_FOLDER if weights is None else Path(weights))
    else:
        loaded = _published_weights(source, None if weights is None else Path(weights))
    return Backbone(
        name=name,
        model=loaded.model.to(device),
        tokenize=loaded.tokenize,
        resolution=resolution_of(source.architecture),
        mean=source.mean,
        std=source.std,
        sha256=loaded.sha256,
        site_pattern=source.sites,
    )


def word_tokenizer(model: open_clip.CLIP, vocabulary: tuple[str, ...]) -> WordTokenizer:
    """Return the tokenizer over `vocabulary` that fits the text tower of `model`."""
    return WordTokenizer(
        vocabulary=vocabulary, size=model.vocab_size, context_length=model.context_length
    )


def _random_weights(source: BackboneSource) -> _Weights:
    from mergebench.backbones.architectures import create_model

    # The libraries' initialisers draw from the global generator, so it is forked and put back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = create_model(source.architecture)
    if source.tag:
        return _Weights(model=model, tokenize=_open_clip_tokenizer(source), sha256=RANDOM)
    vocabulary = read_vocabulary(EMBEDDED_FOLDER / f"{source.architecture}.safetensors")
    return _Weights(model=model, tokenize=word_tokenizer(model, vocabulary), sha256=RANDOM)


def _embedded_weights(name: str, folder: Path) -> _Weights:
    from mergebench.backbones.architectures import create_model
    from mergebench.backbones.weights import fill

    checkpoint = read_checkpoint(folder, name)
    model = create_model(name)
    fill(model, checkpoint.state, folder / f"{name}.safetensors", find_source(name))
    tokenize = word_tokenizer(model, checkpoint.vocabulary)
    return _Weights(model=model, tokenize=tokenize, sha256=checkpoint.sha256)


def _published_weights(source: BackboneSource, file: Path | None) -> _Weights:
    from mergebench.backbones.architectures import create_model
    from mergebench.backbones.weights import check_tag, fetched_file, load_weights

    check_tag(source)
    file = weights_file(fetched_file(source) if file is None else file)
    model = create_model(source.architecture)
    load_weights(model, file, source)
    return _Weights(model=model, tokenize=_open_clip_tokenizer(source), sha256=_state_sha256(model))


def _open_clip_tokenizer(source: BackboneSource) -> Tokenize:
    import open_clip

    tokenize: Tokenize = open_clip.get_tokenizer(source.architecture)
    return tokenize


def _state_sha256(model: open_clip.CLIP) -> str:
    """Return the SHA-256 over all names and values, the same however the file was written."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
