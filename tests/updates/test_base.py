"""The model that an update was recorded for must be the backbone, by one of its names."""

from __future__ import annotations

from pathlib import Path

import pytest
from adapter_files import SHAPES, configure, low_rank_update, random
from safetensors.torch import save_file

from mergebench.backbones import BACKBONES, ClipSource, base_of
from mergebench.errors import InputError
from mergebench.updates import Base
from mergebench.updates.adapters import METADATA_KEY, load_update, save_adapter, save_dense
from mergebench.updates.update import Dense, Update

BASE = base_of("vit_b32")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_adapter(low_rank_update(), tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.parametrize(
    "recorded",
    [
        *("vit_b32", "openai/clip-vit-base-patch32", "OpenAI/CLIP-ViT-Base-Patch32"),
        *("https://huggingface.co/openai/clip-vit-base-patch32/", "clip-vit-base-patch32"),
        *("timm/vit_base_patch32_clip_224.openai", "hf-hub:timm/vit_base_patch32_clip_224.openai"),
        *("ViT-B/32", "ViT-B-32", "ViT-B-32-quickgelu", "ViT-B-32:openai", "ViT-B-32, openai"),
        *("ViT-B-32-quickgelu/openai", "ViT-B-32_openai"),
        *(None, "", "/models/other", "./other", "../other", "~/other", "C:\\models\\other"),
    ],
)
def test_names_of_the_backbone_and_local_paths_load(folder: Path, recorded: str | None) -> None:
    configure(folder, base_model_name_or_path=recorded)
    loaded = load_update(folder, SHAPES, "vit_b32", base=BASE)
    assert loaded.sha256 == low_rank_update().sha256


def test_a_name_is_no_path_because_a_folder_is_called_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "openai/clip-vit-base-patch16"
    configure(folder, base_model_name_or_path=name)
    monkeypatch.chdir(folder)
    (folder / name).mkdir(parents=True)
    with pytest.raises(InputError, match=f"'{name}', which is not vit_b32"):
        load_update(folder, SHAPES, "vit_b32", base=BASE)
    configure(folder, base_model_name_or_path=f"./{name}")
    assert len(load_update(folder, SHAPES, "vit_b32", base=BASE).sites) == len(SHAPES)


@pytest.mark.parametrize(
    "recorded",
    [
        *("openai/clip-vit-base-patch16", "openai/clip-vit-large-patch14", "mini_vit"),
        *("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "ViT-B-32:laion2b_e16", "ViT-B-16"),
        *("google/siglip-base-patch16-224", "a" * 5000, "a\0b", "32", "openai"),
    ],
)
def test_another_model_is_refused_unless_insisted(folder: Path, recorded: str) -> None:
    configure(folder, base_model_name_or_path=recorded)
    with pytest.raises(InputError) as caught:
        load_update(folder, SHAPES, "vit_b32", base=BASE)
    file = folder / "adapter_config.json"
    assert str(caught.value).startswith(
        f"{file}: base_model_name_or_path is {recorded!r}, which is not vit_b32 "
        "(openai/clip-vit-base-patch32): choose the backbone"
    )
    loaded = load_update(folder, SHAPES, "vit_b32", base=BASE, other_base=True)
    assert loaded.sha256 == low_rank_update().sha256


@pytest.mark.parametrize("name", BACKBONES)
def test_no_name_stands_for_two_backbones(name: str) -> None:
    mine = {known.lower() for known in (name, *base_of(name).names)}
    for other in BACKBONES.keys() - {name}:
        assert not mine & {known.lower() for known in (other, *base_of(other).names)}


def test_sizes_tell_the_towers_of_every_clip_apart() -> None:
    clips = [name for name, source in BACKBONES.items() if isinstance(source, ClipSource)]
    assert [name for name in BACKBONES if base_of(name).towers_differ] == clips
    assert base_of("a backbone of a test") == Base()


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    update = Update(sites={site: Dense(delta=random(*shape)) for site, shape in SHAPES.items()})
    save_dense(update, tmp_path / "merged.safetensors", {"backbone": "vit_l14"})
    return tmp_path / "merged.safetensors"


def test_a_dense_update_of_another_backbone_is_refused_unless_insisted(dense: Path) -> None:
    assert len(load_update(dense, SHAPES, "vit_l14").sites) == len(SHAPES)
    with pytest.raises(InputError) as caught:
        load_update(dense, SHAPES, "vit_b32", base=BASE)
    assert str(caught.value).startswith(f"{dense}: backbone is 'vit_l14', which is not vit_b32 (")
    assert len(load_update(dense, SHAPES, "vit_b32", other_base=True).sites) == len(SHAPES)


@pytest.mark.parametrize(
    ("noted", "message"),
    [
        ("{", "metadata 'mergebench' is not valid JSON"),
        ("[" * 100_000, "metadata 'mergebench' is nested too deeply"),
        ("[]", "metadata 'mergebench' is not a JSON object"),
        ('{"backbone": 3}', "backbone is no name"),
    ],
)
def test_damaged_metadata_is_refused(tmp_path: Path, noted: str, message: str) -> None:
    file = tmp_path / "merged.safetensors"
    tensors = {site: random(*shape) for site, shape in SHAPES.items()}
    save_file(tensors, file, {METADATA_KEY: noted})
    with pytest.raises(InputError, match=message) as caught:
        load_update(file, SHAPES, "toy")
    assert str(file) in str(caught.value)
