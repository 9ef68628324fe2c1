"""Whole models inside what training and wrappers put around them, and what is no whole model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from clip_files import SMALL
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModelWithProjection

from mergebench.backbones import load_backbone
from mergebench.errors import InputError


def refused(weights: Path, *parts: str) -> None:
    with pytest.raises(InputError) as caught:
        load_backbone(SMALL, weights=weights)
    for part in parts:
        assert part in str(caught.value)


@pytest.fixture(scope="module")
def known(files, their_file) -> dict[str, tuple[dict[str, torch.Tensor], str]]:
    """The state of a whole model in each layout, and what it is loaded as."""
    whole = {"open_clip": files[0], "huggingface": their_file}
    return {
        layout: (load_file(file), load_backbone(SMALL, weights=file).sha256)
        for layout, file in whole.items()
    }


@pytest.mark.parametrize("holder", ["state_dict", "model_state_dict", "model", None])
@pytest.mark.parametrize("prefix", ["", "module.", "model.", "module.clip._orig_mod."])
@pytest.mark.parametrize("layout", ["open_clip", "huggingface"])
def test_a_whole_model_is_found_in_what_is_around_it(known, tmp_path, layout, prefix, holder):
    whole, expected = known[layout]
    state = {f"{prefix}{name}": value for name, value in whole.items()}
    content = state if holder is None else {"epoch": 3, holder: state, "optimizer": {"lr": 0.1}}
    torch.save(content, tmp_path / "last.ckpt")
    assert load_backbone(SMALL, weights=tmp_path / "last.ckpt").sha256 == expected
    if holder is None:
        save_file(state, tmp_path / "model.safetensors")
        assert load_backbone(SMALL, weights=tmp_path / "model.safetensors").sha256 == expected


def test_what_is_beside_the_model_is_named(files, tmp_path):
    state = {f"model.{name}": value for name, value in load_file(files[0]).items()}
    file = tmp_path / "model.safetensors"
    save_file(state | {"classifier.weight": torch.zeros(2)}, file)
    refused(file, "has classifier.weight beside the CLIP under model.: save the state dict of the")
    save_file(state | {f"ema.{name}": value.clone() for name, value in state.items()}, file)
    refused(file, "holds 2 CLIPs, under", "under ema.model.", "save the state dict of one of them")


@pytest.mark.parametrize("prefix", ["", "model."])
def test_one_tower_alone_is_said_to_be_that_tower(theirs, files, tmp_path, prefix):
    def save(state: dict[str, torch.Tensor]) -> Path:
        file = tmp_path / "model.safetensors"
        save_file({f"{prefix}{name}": value for name, value in state.items()}, file)
        return file

    ours = load_file(files[0])
    tower = {name: value for name, value in ours.items() if name.startswith("visual.")}
    refused(save(tower), "has a vision tower alone, but heads are made by the text tower")
    bare = {name.removeprefix("visual."): value for name, value in tower.items()}
    refused(save(bare), "has a vision tower alone")
    text = CLIPTextModelWithProjection(theirs.config.text_config).state_dict()
    refused(save(text), "has a text tower alone", "images seen by the vision tower")


def test_a_whole_model_that_lacks_a_tensor_is_not_said_to_be_a_tower(files, tmp_path):
    for name in ("token_embedding.weight", "visual.class_embedding", "logit_scale"):
        state = load_file(files[0])
        del state[name]
        save_file(state, tmp_path / "model.safetensors")
        refused(tmp_path / "model.safetensors", f"has no tensor {name}")


@pytest.mark.parametrize("shape", [(), (0, 64), (64, 64)])
def test_fused_attention_of_another_shape(files, tmp_path, shape):
    state = load_file(files[0])
    name = "visual.transformer.resblocks.1.attn.in_proj_weight"
    save_file(state | {name: torch.zeros(shape)}, tmp_path / "model.safetensors")
    refused(tmp_path / "model.safetensors", name, "q, k and v are one below the other")
