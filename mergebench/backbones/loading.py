"""Backbones by name: the embedded ones from the package, the others from published weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch
from torch import Tensor, nn

from mergebench.backbones.activation import check_tag
from mergebench.backbones.architectures import EMBEDDED, create_model
from mergebench.backbones.backbone import Backbone, linear_sites, tensor_paths
from mergebench.backbones.checkpoint import EMBEDDED_FOLDER, read_checkpoint
from mergebench.backbones.hub import fetched_file, missing_file
from mergebench.backbones.sources import BackboneSource, find_source, resolution_of
from mergebench.backbones.tokenizer import WordTokenizer
from mergebench.backbones.weight_files import load_weights, no_such_file
from mergebench.errors import InputError

RANDOM = "random"
"""The value of `weights` that asks for an untrained backbone."""
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
    download, a file (see `load_weights`). Equal weights have one `sha256`, however they were
    written. Raises InputError for an unknown name and for weights that are missing, damaged, of
    another architecture or trained with another activation.
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


def missing_weights(name: str, weights: str | Path | None = None) -> str | None:
    """Return in one line which weights are missing and how to get them; None if none are.

    Arguments as of `load_backbone`, which may then still find the weights damaged. Asks the Hugging
    Face Hub, for seconds at most, only where a download would be needed.
    """
    source = find_source(name)
    if weights == RANDOM or (weights is None and not source.repository):
        return None
    if weights is None:
        return missing_file(source)
    return None if Path(weights).exists() else no_such_file(Path(weights))


def site_shapes(name: str) -> dict[str, tuple[int, int]]:
    """Return the shape `(outputs, inputs)` of every site of that backbone, without its weights."""
    source = find_source(name)
    return {
        path: (site.out_features, site.in_features)
        for path, site in linear_sites(_meta_tower(source), source.sites).items()
    }


def tensor_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor that full fine-tuning changes, without the weights."""
    source = find_source(name)
    tower = _meta_tower(source)
    shapes = {path: tuple(parameter.shape) for path, parameter in tower.named_parameters()}
    return {name: shapes[path] for name, path in tensor_paths(tower, source.sites).items()}


def _meta_tower(source: BackboneSource) -> nn.Module:
    with torch.device("meta"):
        tower: nn.Module = create_model(source.architecture, device="meta").visual
    return tower


def word_tokenizer(model: open_clip.CLIP, vocabulary: tuple[str, ...]) -> WordTokenizer:
    """Return the tokenizer over `vocabulary` that fits the text tower of `model`."""
    return WordTokenizer(
        vocabulary=vocabulary, size=model.vocab_size, context_length=model.context_length
    )


def _random_weights(source: BackboneSource) -> _Weights:
    # The libraries' initialisers draw from the global generator, so it is forked and put back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = create_model(source.architecture)
    tokenize = _open_clip_tokenizer(source) if source.tag else word_tokenizer(model, ())
    return _Weights(model=model, tokenize=tokenize, sha256=RANDOM)


def _embedded_weights(name: str, folder: Path) -> _Weights:
    checkpoint = read_checkpoint(folder, name)
    model = create_model(name)
    model.load_state_dict(checkpoint.state)
    tokenize = word_tokenizer(model, checkpoint.vocabulary)
    return _Weights(model=model, tokenize=tokenize, sha256=checkpoint.sha256)


def _published_weights(source: BackboneSource, file: Path | None) -> _Weights:
    check_tag(source)
    file = fetched_file(source) if file is None else file
    if not file.exists():
        raise InputError(no_such_file(file))
    model = create_model(source.architecture)
    load_weights(model, file, source)
    return _Weights(model=model, tokenize=_open_clip_tokenizer(source), sha256=_state_sha256(model))


def _open_clip_tokenizer(source: BackboneSource) -> Tokenize:
    tokenize: Tokenize = open_clip.get_tokenizer(source.architecture)
    return tokenize


def _state_sha256(model: open_clip.CLIP) -> str:
    """Return the SHA-256 over all names and values, the same however the file was written."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
