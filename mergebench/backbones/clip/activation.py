"""QuickGELU or GELU: weights trained with one give wrong features with the other.

OpenAI's CLIPs were trained with QuickGELU, `x sigmoid(1.702 x)`. Their tensors do not say so; the
published tags and the configurations beside the files do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mergebench.backbones.sources import ClipSource
from mergebench.errors import InputError

_NAMES = {True: "QuickGELU", False: "GELU"}


def check_tag(source: ClipSource) -> None:
    """Raise InputError if open_clip knows its tag as trained with another activation."""
    from open_clip.pretrained import get_pretrained_cfg

    known = get_pretrained_cfg(source.architecture, source.tag)
    trained = bool(known.get("quick_gelu", False))
    if known and trained != source.quick_gelu:
        raise InputError(
            f"the weights {source.tag!r} were trained with {_NAMES[trained]}, but "
            f"{source.architecture} computes {_NAMES[source.quick_gelu]}: use open_clip's "
            f"{'-quickgelu architecture' if trained else 'architecture without -quickgelu'}"
        )


def check_configuration(file: Path, source: ClipSource) -> None:
    """Raise InputError if a configuration beside the weights in `file` has another activation."""
    for config, quick_gelu in _stated(file):
        if quick_gelu != source.quick_gelu:
            raise InputError(
                f"{config} says that {file.name} was trained with {_NAMES[quick_gelu]}, but "
                f"{source.architecture} computes {_NAMES[source.quick_gelu]}: give the weights "
                f"{source.tag!r}"
            )


def not_stated(file: Path, source: ClipSource) -> tuple[str, ...]:
    """Return the note that nothing beside `file` says with which activation it was trained.

    Nothing if something does.
    """
    if _stated(file):
        return ()
    return (
        f"No configuration beside {file.name} states its activation, taken to be "
        f"{_NAMES[source.quick_gelu]}; `mergebench doctor` shows whether zero-shot accuracy is as "
        "published.",
    )


def _stated(file: Path) -> list[tuple[Path, bool]]:
    """Return the configurations beside `file` and whether they say QuickGELU."""
    said = []
    theirs, ours = file.with_name("config.json"), file.with_name("open_clip_config.json")
    if theirs.is_file():
        options = _object(theirs)
        towers = [options.get("vision_config"), options.get("text_config")]
        for tower in towers:
            if isinstance(tower, dict) and "hidden_act" in tower:
                said.append((theirs, tower["hidden_act"] == "quick_gelu"))
    if ours.is_file():
        model = _object(ours).get("model_cfg")
        if isinstance(model, dict):
            said.append((ours, bool(model.get("quick_gelu", False))))
    return said


def _object(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read as JSON ({error}): fetch it again") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} is not a JSON object: fetch it again")
    return content
