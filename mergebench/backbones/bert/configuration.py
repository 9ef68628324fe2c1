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
    "is_decoder": False,
}
"""Of every encoder here."""

_MODULES, _POOLING = "modules.json", "1_Pooling"
_KINDS = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])


def check_configuration(file: Path, source: BertSource) -> None:
    """Raise InputError if a configuration beside the weights in `file` is another encoder's.

    Other heads, activations and positions fit the same shapes, and give wrong embeddings; so do
    another pooling, and modules behind it, which sentence-transformers notes in `modules.json`.
    """
    config = file.with_name("config.json")
    stated = _read_json(config, dict) if config.is_file() else {}
    for key, expected in {"num_attention_heads": source.heads, **_ALIKE}.items():
        if stated.get(key, expected) != expected:
            raise InputError(
                f"{config}: {key} is {shown(repr(stated[key]))}, but {source.architecture} has "
                f"{expected!r}: give the weights of this architecture"
            )
    _check_pooling(_pooling(file.parent, source), source)


def _pooling(folder: Path, source: BertSource) -> Path:
    """Return where the pooling of the weights in `folder` is configured, if anywhere.

    Raises InputError for modules beside the weights, or around their folder, that are not those of
    a mean.
    """
    for root, place in ((folder, ""), (folder.parent, folder.name)):
        file = root / _MODULES
        if not file.is_file():
            continue
        modules = _read_json(file, list)
        if not all(isinstance(one, dict) for one in modules):
            raise InputError(f"{file} is no list of modules: fetch it again")
        if place and not any(one.get("path") == place for one in modules):
            continue  # it is about other weights
        kinds = [str(one.get("type")).rpartition(".")[2] for one in modules]
        if kinds not in _KINDS:
            raise InputError(
                f"{file} lists {shown(', '.join(kinds))}, but {source.architecture} is "
                f"{', '.join(_KINDS[-1])}: give the weights of this architecture"
            )
        return root / str(modules[1].get("path")) / "config.json"
    return folder / _POOLING / "config.json"


def _check_pooling(config: Path, source: BertSource) -> None:
    """Raise InputError if `config`, where it is there, says that tokens are not averaged."""
    if not config.is_file():
        return
    stated = _read_json(config, dict)
    modes = [key.removeprefix("pooling_mode_") for key, on in stated.items() if _is_on(key, on)]
    named = stated.get("pooling_mode")
    modes += [] if named is None else [named] if isinstance(named, str) else [repr(named)]
    if any(mode not in ("mean_tokens", "mean") for mode in modes) or (stated and not modes):
        raise InputError(
            f"{config}: the pooling is {shown(', '.join(modes) or 'none')}, but "
            f"{source.architecture} averages tokens: give the weights of this architecture"
        )


def _is_on(key: str, value: object) -> bool:
    return key.startswith("pooling_mode_") and bool(value)


def _read_json(file: Path, kind: type) -> Any:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read as JSON ({error}): fetch it again") from error
    if not isinstance(content, kind):
        what = "object" if kind is dict else "list"
        raise InputError(f"{file} is not a JSON {what}: fetch it again")
    return content
