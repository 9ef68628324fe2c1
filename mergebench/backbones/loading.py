"""Backbones by name: the embedded ones from the package, the others from open_clip."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch
from torch import Tensor

from mergebench.backbones.architectures import EMBEDDED, create_model
from mergebench.backbones.backbone import Backbone
from mergebench.backbones.checkpoint import EMBEDDED_FOLDER, read_checkpoint
from mergebench.backbones.tokenizer import WordTokenizer
from mergebench.errors import InputError

RANDOM = "random"
"""The value of `weights` that asks for an untrained backbone."""
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_ATTENTION = r"attn\.(q_proj|k_proj|v_proj|out_proj)$"
_MLP = r"mlp\.(c_fc|c_proj|fc1|fc2)$"
_HALF, _QUARTER = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


@dataclass(frozen=True, kw_only=True)
class BackboneSource:
    """open_clip's names of a backbone, its sites, and the normalisation of images in [0, 1].

    `sites`: pattern of the module paths of the sites (see `Backbone`); `tag` names the weights that
    open_clip downloads; it is empty for the embedded backbones.
    """

    architecture: str
    sites: str
    tag: str = ""
    mean: tuple[float, float, float] = _CLIP_MEAN
    std: tuple[float, float, float] = _CLIP_STD


BACKBONES: dict[str, BackboneSource] = {
    "mini_vit": BackboneSource(architecture="mini_vit", sites=_MLP, mean=_HALF, std=_QUARTER),
    "mini_convnext": BackboneSource(
        architecture="mini_convnext", sites=_MLP, mean=_HALF, std=_QUARTER
    ),
    "vit_b32": BackboneSource(architecture="ViT-B-32-quickgelu", sites=_ATTENTION, tag="openai"),
    "vit_l14": BackboneSource(architecture="ViT-L-14-quickgelu", sites=_ATTENTION, tag="openai"),
    "convnext": BackboneSource(architecture="convnext_base_w", sites=_MLP, tag="laion2b_s13b_b82k"),
}
"""Every backbone by its name on the command line.

The sites are the paper's: the four attention projections of a ViT and the two linears of a
ConvNeXt's MLP. `mini_vit` has the MLP's instead: merging updates of its narrow attention gains less
(docs/embedded_suite.md).
"""

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

    `weights`: None for its own (the embedded checkpoint, or open_clip's download); "random" for
    untrained weights, the same each time; else, instead of an embedded checkpoint, a folder that
    pretraining wrote, and instead of a download, a safetensors or open_clip checkpoint file.
    Raises InputError for an unknown name and for weights that are missing or damaged.
    """
    source = find_source(name)
    if weights == RANDOM:
        loaded = _random_weights(source)
    elif name in EMBEDDED:
        loaded = _embedded_weights(name, EMBEDDED_FOLDER if weights is None else Path(weights))
    else:
        loaded = _open_clip_weights(source, None if weights is None else Path(weights))
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


def find_source(name: str) -> BackboneSource:
    """Return the source of that backbone; raise InputError that suggests the nearest name."""
    if name in BACKBONES:
        return BACKBONES[name]
    near = difflib.get_close_matches(name, BACKBONES, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"unknown backbone {name!r}: {hint}known: {', '.join(BACKBONES)}")


def resolution_of(architecture: str) -> int:
    """Return the side in pixels of the input of that open_clip architecture."""
    return int(open_clip.get_model_config(architecture)["vision_cfg"]["image_size"])


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


def _open_clip_weights(source: BackboneSource, file: Path | None) -> _Weights:
    if file is not None and not file.is_file():
        raise InputError(f"no weights at {file}: pass a safetensors or open_clip checkpoint")
    try:
        model = create_model(source.architecture, str(file) if file else source.tag)
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"cannot load {source.architecture} from {file or source.tag!r}: {reason}; "
            "pass a checkpoint file of this architecture"
        ) from error
    return _Weights(model=model, tokenize=_open_clip_tokenizer(source), sha256=_state_sha256(model))


def _open_clip_tokenizer(source: BackboneSource) -> Tokenize:
    tokenize: Tokenize = open_clip.get_tokenizer(source.architecture)
    return tokenize


def _state_sha256(model: open_clip.CLIP) -> str:
    """Return the SHA-256 over all names and values, the same however the file was written."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()
