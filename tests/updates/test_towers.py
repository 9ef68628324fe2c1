"""Adapters of a CLIP's text tower are no updates of a vision tower of the same sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from adapter_files import configure
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
)

from mergebench.errors import InputError
from mergebench.updates import Base
from mergebench.updates.adapters import WEIGHTS_NAME, load_update
from mergebench.updates.update import Update

WIDTH = 16
SHAPES = {
    f"transformer.resblocks.{block}.attn.{part}": (WIDTH, WIDTH)
    for block in (0, 1)
    for part in ("q_proj", "v_proj")
}
_SIZES = {
    "hidden_size": WIDTH,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_VISION = CLIPVisionConfig(**_SIZES, image_size=32, patch_size=16)
_TEXT = CLIPTextConfig(**_SIZES, vocab_size=49408)
NAMED = Base(names=("owner/clip",), towers_differ=True)


class Blocks(nn.Module):
    """open_clip's names: blocks of one tower."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(
            nn.ModuleDict(
                {"attn": nn.ModuleDict({p: nn.Linear(WIDTH, WIDTH) for p in ("q_proj", "v_proj")})}
            )
            for _ in range(2)
        )


class VisionTransformer(Blocks):
    """open_clip's vision tower."""


class CLIP(Blocks):
    """open_clip's CLIP: the text tower's blocks are its own."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = VisionTransformer()


class ImageEncoder(nn.Module):
    """A wrapper as users write it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


def saved(model: nn.Module, folder: Path, **options: Any) -> Path:
    """Train `model` with PEFT, so to say, and save the adapter."""
    options = {"target_modules": ["q_proj", "v_proj"], **options}
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=2, **options))
    for index, parameter in enumerate(p for p in adapted.parameters() if p.requires_grad):
        parameter.data = torch.randn(
            parameter.shape, generator=torch.Generator().manual_seed(index)
        )
    adapted.save_pretrained(folder)
    return folder


def load(folder: Path, **options: Any) -> Update:
    return load_update(folder, SHAPES, "small", **options)


def assert_loaded(folder: Path, **options: Any) -> None:
    """Assert that every site's change is that of the factors in the file, by their order."""
    update, tensors = load(folder, **options), load_file(folder / WEIGHTS_NAME)
    assert list(update.sites) == list(SHAPES)
    ups, downs = ([key for key in sorted(tensors) if f"lora_{one}" in key] for one in "BA")
    for change, up, down in zip(update.sites.values(), ups, downs, strict=True):
        torch.testing.assert_close(change.dense(), 4 * tensors[up] @ tensors[down])  # alpha 8 / 2


@pytest.mark.parametrize(
    "model",
    [
        lambda: CLIPVisionModel(_VISION),
        lambda: CLIPVisionModelWithProjection(_VISION),
        lambda: ImageEncoder(CLIPVisionModelWithProjection(_VISION)),
        VisionTransformer,
    ],
)
def test_vision_towers_are_loaded(tmp_path: Path, model: Any) -> None:
    assert_loaded(saved(model(), tmp_path))


@pytest.mark.parametrize("model", [CLIP, lambda: ImageEncoder(CLIP())])
def test_the_vision_tower_of_a_whole_open_clip_is_loaded(tmp_path: Path, model: Any) -> None:
    options = {"target_modules": r".*visual\..*(q|v)_proj"}
    assert_loaded(saved(model(), tmp_path, **options))


def test_patterns_name_modules_as_the_files_do(tmp_path: Path) -> None:
    options = {
        "target_modules": r"model\.visual\..*(q|v)_proj",
        "alpha_pattern": {r"^model\.visual\.transformer\.resblocks\.0\..*": 2},
    }
    saved(ImageEncoder(CLIP()), tmp_path, **options)
    update = load(tmp_path)
    tensors = load_file(tmp_path / WEIGHTS_NAME)
    for site, change in update.sites.items():
        key = f"base_model.model.model.visual.{site}.lora_"
        product = tensors[f"{key}B.weight"] @ tensors[f"{key}A.weight"]
        scaling = 1 if ".0." in site else 4
        torch.testing.assert_close(change.dense(), scaling * product)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (lambda: CLIPTextModel(_TEXT), {}),
        (lambda: CLIPTextModelWithProjection(_TEXT), {}),
        (lambda: ImageEncoder(CLIPTextModelWithProjection(_TEXT)), {}),
        (CLIP, {"target_modules": r"transformer\..*(q|v)_proj"}),
    ],
)
def test_text_towers_are_refused_whatever_is_insisted(
    tmp_path: Path, model: Any, options: dict[str, Any]
) -> None:
    saved(model(), tmp_path, **options)
    for insisted in (False, True):
        with pytest.raises(InputError, match="is of the text tower, as 4 of 4 modules are") as told:
            load(tmp_path, vision_tower=insisted)
        assert str(tmp_path / WEIGHTS_NAME) in str(told.value)


def test_both_towers_of_hugging_faces_clip_are_refused(tmp_path: Path) -> None:
    config = CLIPConfig(text_config=_TEXT.to_dict(), vision_config=_VISION.to_dict())
    saved(CLIPModel(config), tmp_path)
    with pytest.raises(InputError, match=r"text_model.* is of the text tower, as 4 of 8 modules"):
        load(tmp_path)


@pytest.mark.parametrize("model", [CLIP, lambda: ImageEncoder(CLIP())])
def test_both_towers_of_an_open_clip_are_refused(tmp_path: Path, model: Any) -> None:
    saved(model(), tmp_path)
    with pytest.raises(InputError, match=r"is of the text tower, as 4 of 8|begin differently"):
        load(tmp_path)
    configure(tmp_path, auto_mapping=None)
    with pytest.raises(InputError, match="begin differently, so that they are of two towers"):
        load(tmp_path, vision_tower=True)


@pytest.mark.parametrize(
    "model",
    [
        lambda: CLIPVisionModel(_VISION),
        lambda: CLIPTextModel(_TEXT),
        lambda: ImageEncoder(VisionTransformer()),
    ],
)
def test_keys_of_either_tower_are_refused_unless_something_tells(
    tmp_path: Path, model: Any
) -> None:
    saved(model(), tmp_path)
    configure(tmp_path, auto_mapping=None)
    message = r"may be of CLIP's vision or text tower: rename .* vision_model\..*--vision-tower"
    with pytest.raises(InputError, match=message):
        load(tmp_path)
    with pytest.raises(InputError, match=message):
        load(tmp_path, base=NAMED)  # it is not recorded
    assert_loaded(tmp_path, vision_tower=True)
    configure(tmp_path, base_model_name_or_path="owner/clip")
    assert_loaded(tmp_path, base=NAMED)  # its text tower has other sizes
    with pytest.raises(InputError, match=message):
        load(tmp_path, base=Base(names=NAMED.names))


def test_messages_give_the_name_in_the_file_and_the_site(tmp_path: Path) -> None:
    saved(CLIPVisionModelWithProjection(_VISION), tmp_path)
    file = tmp_path / WEIGHTS_NAME
    tensors = load_file(file)
    module = "vision_model.encoder.layers.1.self_attn.v_proj"
    site = r"\(site transformer\.resblocks\.1\.attn\.v_proj\)"
    key = f"base_model.model.{module}.lora_A.weight"
    save_file({**tensors, key: torch.ones(2, 5)}, file)
    with pytest.raises(InputError, match=rf"{module}\.lora_A {site} has shape 2×5"):
        load(tmp_path)
    save_file({**tensors, key: torch.full((2, WIDTH), torch.nan)}, file)
    with pytest.raises(InputError, match=rf"{module}\.lora_A {site} holds a NaN"):
        load(tmp_path)
    save_file({name: one for name, one in tensors.items() if name != key}, file)
    with pytest.raises(InputError, match=rf"{module} {site} has no lora_A"):
        load(tmp_path)
    other = key.replace("self_attn.v_proj", "mlp.fc1")
    save_file({**tensors, other: tensors[key].clone()}, file)
    with pytest.raises(InputError, match=r"layers\.1\.mlp\.fc1 is none of its sites: small"):
        load(tmp_path)
