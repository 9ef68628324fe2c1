"""Backbones by name: the embedded ones from the package, the others from open_clip."""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch
from safetensors.torch import load
from torch import nn

from mergebench.backbones.architectures import create_model
from mergebench.backbones.backbone import Backbone
from mergebench.backbones.tokenizer import WordTokenizer
from mergebench.errors import InputError

CHECKPOINTS = Path(__file__).parent / "checkpoints"
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, kw_only=True)
class BackboneSource:
    """Where a backbone comes from: open_clip's architecture name and, unless embedded, its tag."""

    architecture: str
    tag: str | None = None
    mean: tuple[float, float, float] = _CLIP_MEAN
    std: tuple[float, float, float] = _CLIP_STD

    @property
    def embedded(self) -> bool:
        """Whether the weights are part of this package."""
        return self.tag is None


_HALF, _QUARTER = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

BACKBONES: dict[str, BackboneSource] = {
    "mini_vit": BackboneSource(architecture="mini_vit", mean=_HALF, std=_QUARTER),
    "mini_convnext": BackboneSource(architecture="mini_convnext", mean=_HALF, std=_QUARTER),
    "vit_b32": BackboneSource(architecture="ViT-B-32-quickgelu", tag="openai"),
    "vit_l14": BackboneSource(architecture="ViT-L-14-quickgelu", tag="openai"),
    "convnext": BackboneSource(architecture="convnext_base_w", tag="laion2b_s13b_b82k"),
}
"""Every backbone by its name on the command line."""


def load_backbone(
    name: str, *, device: str | torch.device = "cpu", weights: str | Path | None = None
) -> Backbone:
    """Return the backbone of that name in float32 on `device`.

    `weights`: None for its own (the embedded checkpoint, or open_clip's download), a checkpoint file
    instead of the download, or "random" for untrained weights, the same each time (for tests).
    Raises InputError for an unknown name and for a checkpoint that does not match its recorded
    SHA-256.
    """
    source = find_source(name)
    if weights == "random":
        model, sha256 = _random_model(source.architecture), "random"
    elif source.embedded:
        model, sha256 = _embedded_model(name)
    else:
        model, sha256 = _open_clip_model(source, weights)
    return Backbone(
        name=name,
        model=model.to(device),
        tokenize=_tokenizer(name, model, sha256),
        resolution=_resolution(source.architecture),
        mean=source.mean,
        std=source.std,
        sha256=sha256,
    )


def find_source(name: str) -> BackboneSource:
    """Return the source of that backbone; raise InputError that suggests the nearest name."""
    if name in BACKBONES:
        return BACKBONES[name]
    near = difflib.get_close_matches(name, BACKBONES, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"unknown backbone {name!r}: {hint}known: {', '.join(BACKBONES)}")


def read_verified(file: Path, sha256: str) -> bytes:
    """Return the bytes of `file`; raise InputError if it is missing or its SHA-256 is another."""
    if not file.is_file():
        raise InputError(f"{file.name} is missing beside the package: reinstall mergebench")
    content = file.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(
            f"{file.name} is damaged: its SHA-256 is {found[:12]}..., expected {sha256[:12]}...; "
            "reinstall mergebench"
        )
    return content


def embedded_record(name: str) -> dict[str, str]:
    """Return `checkpoint`, `checkpoint_sha256`, `vocabulary` and `vocabulary_sha256` of `name`."""
    manifest = CHECKPOINTS / "manifest.json"
    records = json.loads(manifest.read_text()) if manifest.is_file() else {}
    if name not in records:
        raise InputError(f"no checkpoint of {name}: run `mergebench pretrain --backbone {name}`")
    record: dict[str, str] = records[name]
    return record


def _embedded_model(name: str) -> tuple[nn.Module, str]:
    record = embedded_record(name)
    content = read_verified(CHECKPOINTS / record["checkpoint"], record["checkpoint_sha256"])
    model = create_model(name)
    model.load_state_dict({key: value.float() for key, value in load(content).items()})
    return model, record["checkpoint_sha256"]


def _random_model(architecture: str) -> nn.Module:
    # The libraries' initialisers draw from the global generator, so it is forked and put back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return create_model(architecture)


def _open_clip_model(source: BackboneSource, weights: str | Path | None) -> tuple[nn.Module, str]:
    if weights is None:
        return create_model(source.architecture, source.tag), f"{source.architecture}/{source.tag}"
    file = Path(weights)
    if not file.is_file():
        raise InputError(f"no weights at {file}: pass a safetensors or open_clip checkpoint")
    with file.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return create_model(source.architecture, str(file)), sha256


def _tokenizer(name: str, model: nn.Module, sha256: str) -> WordTokenizer | open_clip.SimpleTokenizer:
    source = BACKBONES[name]
    if not source.embedded:
        return open_clip.get_tokenizer(source.architecture)
    vocabulary: tuple[str, ...] = ()
    if sha256 != "random":
        record = embedded_record(name)
        content = read_verified(CHECKPOINTS / record["vocabulary"], record["vocabulary_sha256"])
        vocabulary = tuple(json.loads(content))
    return word_tokenizer(model, vocabulary)


def word_tokenizer(model: nn.Module, vocabulary: tuple[str, ...]) -> WordTokenizer:
    """Return the tokenizer that fits the text tower of `model`."""
    size, context = int(model.vocab_size), int(model.context_length)
    return WordTokenizer(vocabulary=vocabulary, size=size, context_length=context)


def _resolution(architecture: str) -> int:
    config = open_clip.get_model_config(architecture)
    return int(config["vision_cfg"]["image_size"])
