"""The names that encoders are published under, as those of `transformers`' BERT."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mergebench.errors import InputError, shown

_FIRST = "embeddings.word_embeddings.weight"
_UNUSED = ("pooler.", "cls.")
_OLD_NAMES = {".gamma": ".weight", ".beta": ".bias"}


def in_our_layout(file: Path, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the encoder, without pooler, language model head and what is in front.

    Names as `bert.` and `0.auto_model.` stand in front of an encoder's. Raises InputError where no
    encoder is in `file`, or more than one, and for a tensor that is there under two names.
    """
    prefixes = [key.removesuffix(_FIRST) for key in state if f".{key}".endswith(f".{_FIRST}")]
    if len(prefixes) != 1:
        raise InputError(
            f"{file} holds {len(prefixes) or 'no'} encoders of BERT's layout (tensor {_FIRST}): "
            "give the weights of one"
        )
    found: dict[str, Tensor] = {}
    for key, tensor in state.items():
        own = _name(key.removeprefix(prefixes[0]))
        if own.startswith(_UNUSED):
            continue
        if own in found:
            raise InputError(
                f"{file} has {shown(own)} under two names, one of them {shown(key)}: save the "
                "state dict of the encoder alone"
            )
        found[own] = tensor
    return found


def _name(key: str) -> str:
    """Return today's name of a tensor; norms were once written with Greek letters."""
    for old, new in _OLD_NAMES.items():
        if key.endswith(old):
            return f"{key.removesuffix(old)}{new}"
    return key
