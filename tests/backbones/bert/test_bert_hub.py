"""Weights and tokenizer from the hub: its cache, downloads, and what is said where it is silent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_encoder import NAME, SOURCE

from mergebench.backbones import find_source, load_backbone, missing_weights
from mergebench.backbones.bert import missing_bert
from mergebench.backbones.sources import BertSource
from mergebench.backbones.weights import hub as hub_module
from mergebench.errors import InputError
from mergebench.missing import MissingItemsError

OTHER = "fedcba9876543210fedcba9876543210fedcba98"


@pytest.fixture
def asked() -> list[str]:
    """What the hub was asked for."""
    return []


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, asked) -> Path:
    """An empty cache of the hub, and no network."""

    def no_network(url: str, timeout: float) -> None:
        asked.append(url)
        assert timeout <= 5
        raise OSError("no network")

    find = hub_module.try_to_load_from_cache
    monkeypatch.setattr(
        hub_module,
        "try_to_load_from_cache",
        lambda *words, **more: find(*words, cache_dir=tmp_path, **more),
    )
    monkeypatch.setattr(hub_module.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub_module, "ask_hub", no_network)
    return tmp_path


def snapshot(cache: Path, folder: Path, revision: str, *names: str) -> None:
    """Put files of `folder` where the hub's client keeps those of a revision."""
    own = cache / "models--nobody--tiny-bert" / "snapshots" / revision
    own.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(folder / name, own)


def test_missing_weights_are_one_item_and_the_hub_is_asked_once(cache, asked):
    missing = missing_weights(NAME)
    assert missing is not None
    assert len(asked) == 1
    line = str(missing)
    assert line.startswith("weights tiny-bert: not found, and the Hugging Face Hub does not offer")
    files = "model.safetensors tokenizer.json"
    assert f"`hf download nobody/tiny-bert {files} --revision {SOURCE.revision}`" in line
    assert "(1.0 MB)" in line
    assert str(cache / "models--nobody--tiny-bert") in line
    assert "--weights DIR (make: WEIGHTS=DIR)" in line
    with pytest.raises(MissingItemsError) as error:
        load_backbone(NAME)
    assert error.value.items == (missing,)


def test_the_cache_is_used_without_a_network(cache, folder, asked):
    snapshot(cache, folder, SOURCE.revision, "model.safetensors", "tokenizer.json")
    assert missing_weights(NAME) is None
    assert load_backbone(NAME).sha256 == load_backbone(NAME, weights=folder).sha256
    assert not asked


def test_another_revision_in_the_cache_is_not_used(cache, folder):
    snapshot(cache, folder, OTHER, "model.safetensors", "tokenizer.json")
    assert missing_weights(NAME) is not None
    with pytest.raises(InputError, match="weights tiny-bert: not found"):
        load_backbone(NAME)


def test_a_tokenizer_that_lacks_is_named_alone(cache, folder):
    snapshot(cache, folder, SOURCE.revision, "model.safetensors")
    line = str(missing_weights(NAME))
    assert line.startswith("tokenizer tiny-bert: not found")
    assert f"`hf download nobody/tiny-bert tokenizer.json --revision {SOURCE.revision}`" in line


def test_the_pinned_revision_is_what_is_downloaded(folder, monkeypatch, asked):
    fetched = []

    def download(repository: str, name: str, *, revision: str | None) -> str:
        fetched.append((repository, name, revision))
        return str(folder / name)

    monkeypatch.setattr(hub_module, "ask_hub", lambda url, timeout: asked.append(url))
    monkeypatch.setattr(hub_module, "hf_hub_download", download)
    assert missing_weights(NAME) is None
    assert [url.rsplit("/", 2)[1:] for url in asked] == [
        [SOURCE.revision, "model.safetensors"],
        [SOURCE.revision, "tokenizer.json"],
    ]
    assert load_backbone(NAME).sha256 == load_backbone(NAME, weights=folder).sha256
    assert fetched == [
        ("nobody/tiny-bert", name, SOURCE.revision)
        for name in ("model.safetensors", "tokenizer.json")
    ]


def test_minilm_is_pinned_and_named():
    source = find_source("minilm")
    assert isinstance(source, BertSource)
    line = str(missing_bert("minilm", source, None))
    assert line.startswith("weights all-MiniLM-L6-v2: not found")
    assert "(0.09 GB)" in line
    assert (
        "`hf download sentence-transformers/all-MiniLM-L6-v2 model.safetensors tokenizer.json "
        f"--revision {source.revision}`" in line
    )
    assert len(source.revision) == 40
