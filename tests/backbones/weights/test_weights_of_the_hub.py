"""Weights from the hub: its cache, downloads, and what is said where there are none."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from clip_files import SMALL

from mergebench.backbones import load_backbone, missing_weights
from mergebench.backbones.clip.missing import FILES
from mergebench.backbones.weights import hub as hub_module
from mergebench.errors import InputError


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of the hub, and no network."""

    def no_network(url: str, timeout: float) -> None:
        assert timeout <= 5
        raise OSError("no network")

    find = hub_module.try_to_load_from_cache
    monkeypatch.setattr(hub_module, "try_to_load_from_cache", partial(find, cache_dir=tmp_path))
    monkeypatch.setattr(hub_module.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub_module, "ask_hub", no_network)
    return tmp_path


def test_missing_weights_are_named_with_size_command_and_place(source, cache):
    line = str(missing_weights(SMALL))
    parts = ("weights small-clip-quickgelu/openai: not found", "(0.60 GB)", "WEIGHTS=FILE")
    for part in (*parts, str(cache / "models--timm--vit_base_patch32_clip_224.openai")):
        assert part in line
    assert f"hf download {source.repository} open_clip_model.safetensors" in line
    with pytest.raises(InputError, match=r"0\.60 GB"):
        load_backbone(SMALL)


def test_nothing_is_missing_where_files_are(files, tmp_path):
    assert missing_weights(SMALL, files[0]) is None
    assert missing_weights(SMALL, "random") is None
    assert missing_weights("mini_vit") is None
    absent = tmp_path / "absent.pt"
    with pytest.raises(InputError) as error:
        missing_weights(SMALL, absent)
    assert str(error.value) == (
        f"no weights at {absent}: give --weights a safetensors file, a checkpoint that PyTorch "
        "pickled, or a folder with model.safetensors"
    )


@pytest.mark.parametrize("name", FILES)
def test_the_cache_of_the_hub_is_used_without_a_network(source, cache, files, name):
    folder = cache / f"models--{source.repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    suffix = Path(name).suffix
    wanted = next(file for file in files if file.suffix == suffix)
    (folder / "snapshots" / "abc" / name).symlink_to(wanted)
    assert missing_weights(SMALL) is None
    assert load_backbone(SMALL).sha256 == load_backbone(SMALL, weights=wanted).sha256


def test_weights_that_the_hub_offers_are_downloaded(cache, files, monkeypatch):
    asked = []

    def offer(url: str, timeout: float) -> None:
        asked.append(url.rsplit("/", 1)[-1])
        if url.endswith("safetensors"):
            raise hub_module.EntryNotFoundError("not there")

    pickled = str(files[1])
    monkeypatch.setattr(hub_module, "ask_hub", offer)
    monkeypatch.setattr(hub_module, "hf_hub_download", lambda repository, name, revision: pickled)
    assert missing_weights(SMALL) is None
    assert asked == list(FILES)
    assert load_backbone(SMALL).sha256 == load_backbone(SMALL, weights=pickled).sha256


def test_a_broken_download_is_one_line(cache, monkeypatch):
    def break_off(repository: str, name: str, revision: None) -> str:
        raise OSError(28, "No space left\non device")

    monkeypatch.setattr(hub_module, "ask_hub", lambda url, timeout: None)
    monkeypatch.setattr(hub_module, "hf_hub_download", break_off)
    with pytest.raises(InputError, match=r"cannot download .*No space left on device; run the"):
        load_backbone(SMALL)
