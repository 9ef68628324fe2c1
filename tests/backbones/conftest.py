"""A small CLIP in every format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clip_files import SMALL, add_small_backbone, fused, huggingface_clip, write_every_format
from transformers import CLIPModel

from mergebench.backbones import BACKBONES, load_backbone
from mergebench.backbones.sources import ClipSource


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Iterator[ClipSource]:
    yield add_small_backbone(tmp_path_factory.mktemp("architecture"))
    del BACKBONES[SMALL]


@pytest.fixture(scope="module")
def theirs(source) -> CLIPModel:
    return huggingface_clip(source.architecture)


@pytest.fixture(scope="module")
def their_file(theirs, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("huggingface")
    theirs.save_pretrained(folder)
    return folder / "model.safetensors"


@pytest.fixture(scope="module")
def files(their_file, tmp_path_factory) -> list[Path]:
    state = fused(load_backbone(SMALL, weights=their_file).model.state_dict())
    return write_every_format(state, tmp_path_factory.mktemp("formats"))
