"""CLIPs: the embedded ones from the package, the others from published weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mergebench.backbones.clip.backbone import ClipBackbone
from mergebench.backbones.clip.checkpoint import EMBEDDED_FOLDER, read_checkpoint, read_vocabulary
from mergebench.backbones.clip.words import WordTokenizer
from mergebench.backbones.sources import EMBEDDED, RANDOM, ClipSource, resolution_of
from mergebench.backbones.weights import fill, state_sha256, weights_file

if TYPE_CHECKING:
    import open_clip

Tokenize = Callable[[Sequence[str]], Tensor]


@dataclass(frozen=True, kw_only=True)
class _Weights:
    model: open_clip.CLIP
    tokenize: Tokenize
    sha256: str
    notes: tuple[str, ...] = ()


def load_clip(
    name: str, source: ClipSource, *, device: str | torch.device, weights: str | Path | None
) -> ClipBackbone:
    """Return the CLIP of that name; arguments and errors as of `load_backbone`.

    `weights`: instead of an embedded checkpoint, a folder that pretraining wrote, and instead of a
    download, a file or folder (see `weights_file` and `load_weights`).
    """
    if weights == RANDOM:
        loaded = _random_weights(source)
    elif name in EMBEDDED:
        folder = EMBEDDED_FOLDER if weights is None else Path(weights)
        loaded = _embedded_weights(name, source, folder)
    else:
        loaded = _published_weights(source, None if weights is None else Path(weights))
    resolution = resolution_of(source)
    assert resolution is not None
    return ClipBackbone(
        name=name,
        model=loaded.model.to(device),
        tokenize=loaded.tokenize,
        resolution=resolution,
        mean=source.mean,
        std=source.std,
        sha256=loaded.sha256,
        site_pattern=source.sites,
        untrained_pattern=source.untrained,
        notes=loaded.notes,
    )


def word_tokenizer(model: open_clip.CLIP, vocabulary: tuple[str, ...]) -> WordTokenizer:
    """Return the tokenizer over `vocabulary` that fits the text tower of `model`."""
    return WordTokenizer(
        vocabulary=vocabulary, size=model.vocab_size, context_length=model.context_length
    )


def _random_weights(source: ClipSource) -> _Weights:
    from mergebench.backbones.clip.architectures import create_model

    # The libraries' initialisers draw from the global generator, so it is forked and put back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = create_model(source.architecture)
    if source.tag:
        return _Weights(model=model, tokenize=_open_clip_tokenizer(source), sha256=RANDOM)
    vocabulary = read_vocabulary(EMBEDDED_FOLDER / f"{source.architecture}.safetensors")
    return _Weights(model=model, tokenize=word_tokenizer(model, vocabulary), sha256=RANDOM)


def _embedded_weights(name: str, source: ClipSource, folder: Path) -> _Weights:
    from mergebench.backbones.clip.architectures import create_model

    checkpoint = read_checkpoint(folder, name)
    model = create_model(name)
    fill(model, checkpoint.state, folder / f"{name}.safetensors", source)
    tokenize = word_tokenizer(model, checkpoint.vocabulary)
    return _Weights(model=model, tokenize=tokenize, sha256=checkpoint.sha256)


def _published_weights(source: ClipSource, file: Path | None) -> _Weights:
    from mergebench.backbones.clip.activation import check_tag, not_stated
    from mergebench.backbones.clip.architectures import create_model
    from mergebench.backbones.clip.fitting import load_weights
    from mergebench.backbones.clip.missing import published_file

    check_tag(source)
    found = weights_file(published_file(source).fetched() if file is None else file)
    model = create_model(source.architecture)
    load_weights(model, found, source)
    return _Weights(
        model=model,
        tokenize=_open_clip_tokenizer(source),
        sha256=state_sha256(model),
        notes=() if file is None else not_stated(found, source),
    )


def _open_clip_tokenizer(source: ClipSource) -> Tokenize:
    import open_clip

    tokenize: Tokenize = open_clip.get_tokenizer(source.architecture)
    return tokenize
