"""CLIP weights from files in the formats that there are, under the names of a split model.

open_clip checkpoints (pickled, with or without the training state around them), the same weights as
safetensors, and Hugging Face's `CLIPModel` as safetensors. Pickles are opened with PyTorch's
`weights_only`, which builds tensors and plain containers and runs no code.
"""

from __future__ import annotations

import difflib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mergebench.backbones.activation import check_configuration
from mergebench.backbones.sources import BackboneSource
from mergebench.errors import InputError, shape_text
from mergebench.updates import BUFFERS, TRANSPOSED, all_finite, open_clip_tensor

_PICKLES = (".pt", ".pth", ".bin", ".ckpt")
_OPENAI_NUMBERS = ("input_resolution", "context_length", "vocab_size")
_FUSED = "attn.in_proj_"


def load_weights(model: nn.Module, file: Path, source: BackboneSource) -> None:
    """Fill `model`, an architecture of `source` with split attention, from `file`.

    Half precision becomes float32. Raises InputError, naming the file, for one that is damaged or
    holds more than tensors, for a key or shape that is not the architecture's, for
    another activation than its own, and where the text tower is missing.
    """
    state = _split(_renamed(file, _read(file)))
    check_configuration(file, source)
    expected = model.state_dict()
    _check_keys(file, state, expected, source)
    for name, tensor in expected.items():
        _check_tensor(file, name, state[name], tensor, source)
    model.load_state_dict(state)


def _read(file: Path) -> dict[str, Tensor]:
    if file.is_dir():
        raise InputError(
            f"{file} is a folder: give the file in it, e.g. {file / 'model.safetensors'}"
        )
    if file.suffix == ".safetensors":
        try:
            tensors: dict[str, Tensor] = load_file(file)
        except (SafetensorError, OSError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{file} is truncated or not a safetensors file ({reason}): fetch it again"
            ) from error
        return tensors
    if file.suffix not in _PICKLES:
        raise InputError(f"{file}: expected .safetensors, or {', '.join(_PICKLES)} of open_clip")
    return _unpickled(file)


def _unpickled(file: Path) -> dict[str, Tensor]:
    try:
        content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError) as error:
        if "TorchScript" in str(error):
            raise InputError(
                f"{file} is a TorchScript archive, which is a program: where you trust it, save "
                "torch.jit.load(file).state_dict() by torch.save and give that file"
            ) from error
        raise InputError(
            f"{file} is truncated or holds more than tensors ({str(error).splitlines()[0]}): "
            "fetch it again, or save its state_dict alone as safetensors where you trust it"
        ) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not state:
        raise InputError(f"{file} holds no state dict: save model.state_dict() with torch.save")
    prefix = "module." if all(str(key).startswith("module.") for key in state) else ""
    named = {str(key).removeprefix(prefix): value for key, value in state.items()}
    for key in _OPENAI_NUMBERS:
        named.pop(key, None)
    for key, value in named.items():
        if not isinstance(value, Tensor):
            raise InputError(f"{file}: {key} is a {type(value).__name__}; expected a tensor")
    return named


def _renamed(file: Path, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under open_clip's names if they have Hugging Face's."""
    if not any(".self_attn." in key for key in state):
        return dict(state)
    if not any(key.startswith("text_model.") for key in state):
        raise InputError(
            f"{file} has a vision tower alone, but heads are made by the text tower: give the "
            "whole CLIPModel, e.g. model.safetensors of openai/clip-vit-base-patch32 or "
            "openai/clip-vit-large-patch14"
        )
    renamed: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if key in BUFFERS:
            continue
        name = open_clip_tensor(key)
        if name is None:
            raise InputError(f"{file}: unknown key {key!r}: give the weights of a plain CLIPModel")
        renamed[name] = tensor.T if name in TRANSPOSED else tensor
    return renamed


def _split(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of `SplitAttention` in place of those of `nn.MultiheadAttention`."""
    split: dict[str, Tensor] = {}
    for key, tensor in state.items():
        before, fused, kind = key.partition(_FUSED)
        if not fused:
            split[key] = tensor
            continue
        for part, chunk in zip("qkv", tensor.chunk(3), strict=True):
            split[f"{before}attn.{part}_proj.{kind}"] = chunk
    return split


def _check_keys(
    file: Path, state: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: BackboneSource
) -> None:
    for what, found, known in (
        ("has no tensor", expected, state),
        ("has an unknown tensor", state, expected),
    ):
        odd = [name for name in found if name not in known]
        if odd:
            near = difflib.get_close_matches(odd[0], list(known), n=1, cutoff=0)
            raise InputError(
                f"{file} {what} {odd[0]} (nearest: {', '.join(near)}), and {len(odd) - 1} more "
                f"differ: give the weights of a whole {source.architecture}"
            )


def _check_tensor(
    file: Path, name: str, tensor: Tensor, expected: Tensor, source: BackboneSource
) -> None:
    if tensor.shape != expected.shape:
        raise InputError(
            f"{file}: {name} has shape {shape_text(tensor.shape) or 'of a scalar'}; "
            f"{source.architecture} expects {shape_text(expected.shape) or 'a scalar'}: "
            "give weights of this architecture, or another --backbone"
        )
    if not tensor.is_floating_point():
        raise InputError(f"{file}: {name} has dtype {tensor.dtype}: give unquantised weights")
    if not all_finite(tensor.float()):
        raise InputError(f"{file}: {name} holds a NaN or an infinity: fetch the file again")
