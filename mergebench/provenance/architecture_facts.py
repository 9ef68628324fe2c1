"""Writes the facts of every backbone's architecture, so that no command builds one to say them.

Run `python -m mergebench.provenance.architecture_facts` when a backbone is added or open_clip or
timm change one; a test compares.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import open_clip
import torch
from torch import nn

from mergebench.backbones import (
    BACKBONES,
    FACTS_FOLDER,
    ArchitectureFacts,
    BackboneSource,
    BertSource,
    create_model,
    create_tower,
)
from mergebench.files import replacing


def built_facts(source: BackboneSource) -> ArchitectureFacts:
    """Return the facts of the architecture of a backbone, built on the meta device."""
    if isinstance(source, BertSource):
        encoder = create_tower(source, device="meta")
        return ArchitectureFacts(
            resolution=None, quick_gelu=False, towers_differ=False, parameters=_shapes(encoder)
        )
    architecture = source.architecture
    with torch.device("meta"):
        tower: nn.Module = create_model(architecture, device="meta").visual
    config = open_clip.get_model_config(architecture)
    return ArchitectureFacts(
        resolution=int(config["vision_cfg"]["image_size"]),
        quick_gelu=bool(config.get("quick_gelu", False)),
        towers_differ=config["vision_cfg"].get("width") != config["text_cfg"].get("width"),
        parameters=_shapes(tower),
    )


def _shapes(tower: nn.Module) -> dict[str, tuple[int, ...]]:
    return {path: tuple(value.shape) for path, value in tower.named_parameters()}


def write_facts(facts: ArchitectureFacts, file: Path) -> None:
    """Write the facts as JSON, one parameter a line."""
    known = asdict(facts)
    parameters = ",\n".join(
        f"    {json.dumps(path)}: {json.dumps(shape)}"
        for path, shape in known.pop("parameters").items()
    )
    head = json.dumps(known).strip("{}")
    text = f'{{\n  {head},\n  "parameters": {{\n{parameters}\n  }}\n}}\n'
    with replacing(file) as partial:
        partial.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for source in BACKBONES.values():
        write_facts(built_facts(source), FACTS_FOLDER / f"{source.architecture}.json")
