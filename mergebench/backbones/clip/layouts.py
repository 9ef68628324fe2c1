"""The layouts that CLIPs are published in, as one: open_clip's names with split attention."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mergebench.backbones.sources import ClipSource
from mergebench.errors import InputError, shape_text, shown
from mergebench.updates import HUGGINGFACE_TRANSPOSED, open_clip_tensor

_FUSED = "attn.in_proj_"
_ROOT = "logit_scale"
"""Every whole CLIP has it, in every layout, ahead of nothing but what a wrapper puts there."""

_TEXT = re.compile(r"(^|\.)(text|text_model|token_embedding|ln_final|text_projection)(\.|$)")
_VISION = re.compile(r"(^|\.)(visual|vision_model|trunk|class_embedding|patch_embedding)(\.|$)")


def in_our_layout(file: Path, state: Mapping[str, Tensor], source: ClipSource) -> dict[str, Tensor]:
    """Return the tensors of `file` under the names and in the shapes of a split open_clip model.

    They may have Hugging Face's names, fused attention, and a prefix before all names, as wrappers
    (`module.`, `model.`) add it. Raises InputError where one tower or more than one CLIP is there,
    and for a tensor that no CLIP has in Hugging Face's layout.
    """
    state = _unwrapped(file, state)
    text, vision = (any(map(tower.search, state)) for tower in (_TEXT, _VISION))
    if text != vision:
        raise InputError(
            f"{file} has a {'text' if text else 'vision'} tower alone, but heads are made by the "
            "text tower and images seen by the vision tower: give the weights of the whole model, "
            f"e.g. those of {source.huggingface or source.repository}"
        )
    return _split(file, _renamed(file, state))


def _unwrapped(file: Path, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the tensors without what stands before all names."""
    prefixes = [key.removesuffix(_ROOT) for key in state if f".{key}".endswith(f".{_ROOT}")]
    if len(prefixes) > 1:
        raise InputError(
            f"{file} holds {len(prefixes)} CLIPs, {' and '.join(map(_under, prefixes[:2]))}: "
            "save the state dict of one of them"
        )
    prefix = prefixes[0] if prefixes else ""
    beside = next((key for key in state if not key.startswith(prefix)), None)
    if beside is not None:
        raise InputError(
            f"{file} has {shown(beside)} beside the CLIP {_under(prefix)}: save the state dict of "
            "the CLIP alone"
        )
    return {key.removeprefix(prefix): value for key, value in state.items()}


def _under(prefix: str) -> str:
    return f"under {shown(prefix)}" if prefix else "without a prefix"


def _renamed(file: Path, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the tensors under open_clip's names if they have Hugging Face's."""
    if not any(".self_attn." in key for key in state):
        return state
    renamed: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = open_clip_tensor(key)
        if name is None:
            raise InputError(
                f"{file}: unknown key {shown(key)!r}: give the weights of a plain CLIPModel"
            )
        renamed[name] = tensor.T if name in HUGGINGFACE_TRANSPOSED and tensor.ndim == 2 else tensor
    return renamed


def _split(file: Path, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of `SplitAttention` in place of those of `nn.MultiheadAttention`."""
    split: dict[str, Tensor] = {}
    for key, tensor in state.items():
        before, fused, kind = key.partition(_FUSED)
        if not fused:
            split[key] = tensor
            continue
        if not tensor.ndim or not len(tensor) or len(tensor) % 3:
            raise InputError(
                f"{file}: {shown(key)} has shape {shape_text(tensor.shape) or 'of a scalar'}, but "
                "q, k and v are one below the other in it: fetch it again"
            )
        for part, chunk in zip("qkv", tensor.chunk(3), strict=True):
            split[f"{before}attn.{part}_proj.{kind}"] = chunk
    return split
