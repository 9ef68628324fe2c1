"""The published weights of minilm, where this machine has them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mergebench.backbones import (
    BertBackbone,
    load_backbone,
    missing_weights,
    site_shapes,
    text_head,
)

VARIABLE = "MERGEBENCH_MINILM"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TEXTS = (
    "Stocks fell on Tuesday after the bank said that it would raise rates once more.",
    "is there a restaurant nearby that's open past 10pm?",
    "",
    "naïve café, [PAD] $3.50 — 東京 and 🙂",
    "a film so dull that even its makers seem to have slept through it, " * 4,
    "ok",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        VARIABLE not in os.environ,
        reason=f"{VARIABLE} names no folder with model.safetensors and tokenizer.json of minilm",
    ),
]


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(os.environ[VARIABLE])


@pytest.fixture(scope="module")
def encoder(folder) -> BertBackbone:
    assert missing_weights("minilm", folder) is None
    backbone = load_backbone("minilm", weights=folder)
    assert isinstance(backbone, BertBackbone)
    return backbone


@pytest.fixture(scope="module")
def theirs(folder):
    transformers = pytest.importorskip("transformers")
    return transformers.BertModel.from_pretrained(folder, add_pooling_layer=False).eval()


def published(theirs, ids: Tensor) -> Tensor:
    mask = ids.ne(0)
    with torch.inference_mode():
        hidden = theirs(ids.long(), mask.long()).last_hidden_state
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return functional.normalize(mean, dim=-1)


def test_the_file_is_the_published_one(folder):
    content = (folder / "model.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256


def test_embeddings_are_those_of_transformers(encoder, theirs):
    ids = encoder.tokenize(TEXTS)
    assert ids.shape == (len(TEXTS), 32)
    assert sorted({int(length) for length in encoder.lengths(ids)}) != [32]
    expected = published(theirs, ids)
    assert torch.allclose(encoder.features(ids), expected, rtol=0, atol=1e-5)
    embedded = functional.normalize(encoder.embed_texts(TEXTS), dim=-1)
    assert torch.allclose(embedded, expected, rtol=0, atol=1e-5)
    for row, alone in zip(expected, ids, strict=True):
        assert torch.allclose(encoder.features(alone[None])[0], row, rtol=0, atol=1e-5)


def test_token_ids_are_those_of_the_published_tokenizer(encoder, folder):
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    theirs.no_padding()
    theirs.enable_truncation(32)
    texts = [text for text in TEXTS if "[PAD]" not in text]
    for row, text in zip(encoder.tokenize(texts), texts, strict=True):
        assert row[row.ne(0)].tolist() == theirs.encode(text).ids


def test_sites_are_the_24_projections_of_attention(encoder):
    assert len(encoder.sites) == 24
    shapes = {path: tuple(site.weight.shape) for path, site in encoder.sites.items()}
    assert set(shapes.values()) == {(384, 384)}
    assert shapes == site_shapes("minilm")
    assert len(encoder.tensors) == 6 * 16


def test_the_head_of_a_task_tells_its_classes_apart(encoder):
    head = text_head(encoder, ("sports news", "business news"), ("{}",))
    ids = encoder.tokenize(
        ["The striker scored twice in the cup final.", "Shares of the retailer rose 4 %."]
    )
    assert (encoder.features(ids) @ head.T).argmax(1).tolist() == [0, 1]
