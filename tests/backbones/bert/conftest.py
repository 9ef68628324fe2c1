"""The small encoder, known by its name, and a folder with its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from small_encoder import add_tiny_bert, tiny_encoder, write_model

from mergebench.backbones import BertBackbone
from mergebench.backbones.sources import BertSource


@pytest.fixture(autouse=True, scope="module")
def source() -> Iterator[BertSource]:
    with pytest.MonkeyPatch.context() as patch:
        yield add_tiny_bert(patch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture(scope="module")
def encoder() -> BertBackbone:
    return tiny_encoder()
