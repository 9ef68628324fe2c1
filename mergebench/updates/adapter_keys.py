"""The keys of an adapter's weights: two factors per module, and what else PEFT may write."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from mergebench.errors import InputError

PREFIX = "base_model.model."

Factors = dict[str, dict[str, Tensor]]
"""`{module: {"A": ..., "B": ...}}`, with one or both of the factors."""

_FACTOR = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.([^.]+))?\.weight")
# VeLoRA's estimate of the inputs, which only its backward pass reads.
_TRAINING_STATE = re.compile(r".+\.lora_velora_embed(?:\.[^.]+)?")
_LONGEST = 500

# What is no plain LoRA of linear weights: part of a key, the method, what it does.
_OTHERS = (
    ("lora_magnitude_vector", "DoRA", "also rescales the base weights"),
    ("lora_diag", "KaSA", "was trained on truncated base weights and has a third factor"),
    ("lora_embedding_", "an embedding", "is no linear layer"),
    ("lora_monteclora", "MonteCLoRA", "samples its weights"),
    ("lora_arrow", "Arrow", "routes by the input"),
    ("lora_E", "AdaLoRA", "has a third factor"),
    ("vera_lambda", "VeRA", "has other factors"),
    ("hada_w", "LoHa", "has other factors"),
    ("lokr_w", "LoKr", "has other factors"),
    ("ia3_", "IA3", "rescales activations"),
    ("modules_to_save", "a module saved whole", "is no change of low rank"),
)


def check_keys(file: Path, keys: Iterable[str]) -> None:
    """Raise `InputError` for a key that no line can show, or that takes long to compare."""
    for key in keys:
        if len(key) > _LONGEST or not key.isprintable():
            raise InputError(
                f"{file}: the key {key[:40]!r}... has {len(key)} characters, or such as no module "
                "has: export it again"
            )


def pair_factors(file: Path, tensors: Mapping[str, Tensor], sites: Iterable[str]) -> Factors:
    """Return the factors of each module that `file` names, without PEFT's prefix.

    `sites`: those of the backbone, for advice. Raises `InputError` naming a key that is no factor
    of plain LoRA, or two that stand for the same factor or for two adapters.
    """
    factors: Factors = {}
    names: set[str] = set()
    for key, tensor in sorted(tensors.items()):
        match = _FACTOR.fullmatch(key)
        if match is None and _TRAINING_STATE.fullmatch(key):
            continue
        if match is None:
            raise _unknown_key(file, key, sites)
        module, factor, name = match.groups()
        names |= {name} if name else set()
        if factor in factors.setdefault(module, {}):
            raise InputError(f"{file}: site {module} has two lora_{factor} weights: keep one")
        factors[module][factor] = tensor
    if len(names) > 1:
        raise InputError(
            f"{file} holds adapters of {len(names)} names ({', '.join(sorted(names)[:3])}): "
            "save one of them, by PEFT's save_pretrained(folder, selected_adapters=[...])"
        )
    return factors


def _unknown_key(file: Path, key: str, sites: Iterable[str]) -> InputError:
    for part, method, reason in _OTHERS:
        if part in key:
            return InputError(
                f"{file}: {key} belongs to {method}, which {reason}: use a plain LoRA adapter"
            )
    if key.endswith(".bias"):
        return InputError(f"{file}: {key} is a bias: train the adapter with bias 'none'")
    expected = [f"{PREFIX}{site}.lora_{factor}.weight" for site in sites for factor in "AB"]
    near = difflib.get_close_matches(key, expected, n=1, cutoff=0)
    return InputError(
        f"{file}: unknown key {key!r} (nearest: {', '.join(near)}), which may change the weights: "
        "export a plain LoRA adapter of linear layers only"
    )
