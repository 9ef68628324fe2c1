"""What the shapes of weights do not say of the encoder that they belong to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mergebench.backbones.sources import BertSource
from mergebench.errors import InputError, shown

_ALIKE: dict[str, Any] = {
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "position_embedding_type": "absolute",
}
"""Of every encoder here."""


def check_configuration(file: Path, source: BertSource) -> None:
    """Raise InputError if a configuration beside the weights in `file` is another encoder's.

    Other heads, activations and positions fit the same shapes, and give wrong embeddings.
    """
    config = file.with_name("config.json")
    if not config.is_file():
        return
    try:
        stated = json.loads(config.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{config} cannot be read as JSON ({error}): fetch it again") from error
    if not isinstance(stated, dict):
        raise InputError(f"{config} is not a JSON object: fetch it again")
    for key, expected in {"num_attention_heads": source.heads, **_ALIKE}.items():
        if stated.get(key, expected) != expected:
            raise InputError(
                f"{config}: {key} is {shown(repr(stated[key]))}, but {source.architecture} has "
                f"{expected!r}: give the weights of this architecture"
            )
