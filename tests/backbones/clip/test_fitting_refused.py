"""Files that do not hold the weights of the backbone: one line that says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch
from clip_files import SMALL
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionModelWithProjection

from mergebench.backbones import BACKBONES, load_backbone
from mergebench.backbones.architecture_facts import KNOWN
from mergebench.backbones.sources import ClipSource
from mergebench.errors import InputError
from mergebench.provenance.architecture_facts import built_facts


def refused(weights: Path, *parts: str) -> None:
    with pytest.raises(InputError) as caught:
        load_backbone(SMALL, weights=weights)
    text = str(caught.value)
    assert "\n" not in text
    for part in parts:
        assert part in text, text


def changed(files: list[Path], tmp_path: Path, **tensors: torch.Tensor | None) -> Path:
    """Write the weights with some tensors replaced, added, or (None) left out."""
    state = load_file(files[0])
    for key, value in tensors.items():
        name = key.replace("__", ".")
        if value is None:
            del state[name]
        else:
            state[name] = value
    save_file(state, tmp_path / "changed.safetensors")
    return tmp_path / "changed.safetensors"


def test_another_architecture_is_named_with_both_shapes(files, tmp_path):
    file = changed(files, tmp_path, visual__conv1__weight=torch.zeros(96, 3, 16, 16))
    refused(file, "visual.conv1.weight has shape 96×3×16×16", "expects 64×3×16×16", str(file))


def test_missing_and_unknown_tensors_are_named(files, tmp_path):
    refused(changed(files, tmp_path, ln_final__bias=None), "has no tensor ln_final.bias")
    extra = changed(files, tmp_path, visual__head=torch.zeros(2))
    refused(extra, "has an unknown tensor visual.head", "whole small-clip-quickgelu")


def test_values_that_are_no_weights_are_refused(files, tmp_path):
    bias = torch.zeros(64)
    refused(changed(files, tmp_path, ln_final__bias=bias.int()), "ln_final.bias has dtype")
    bias[3] = torch.nan
    refused(changed(files, tmp_path, ln_final__bias=bias), "ln_final.bias holds a NaN")


def test_a_vision_tower_alone_lacks_the_text_head(theirs, tmp_path):
    vision = CLIPVisionModelWithProjection(theirs.config.vision_config)
    vision.save_pretrained(tmp_path)
    refused(
        tmp_path / "model.safetensors",
        "vision tower alone, but heads are made by the text tower",
        "openai/clip-vit-base-patch32",
    )


def test_unknown_huggingface_tensors_are_refused(their_file, tmp_path):
    state = load_file(their_file) | {"vision_model.adapter.weight": torch.zeros(2)}
    save_file(state, tmp_path / "model.safetensors")
    refused(tmp_path / "model.safetensors", "unknown key 'vision_model.adapter.weight'")


class _Code:
    def __reduce__(self):
        return print, ("code of a pickle was run",)


def test_pickles_run_no_code(tmp_path, capsys):
    torch.save({"state_dict": _Code()}, tmp_path / "evil.pt")
    refused(tmp_path / "evil.pt", "holds more than tensors")
    assert capsys.readouterr().out == ""


def test_damaged_and_odd_files_are_refused(files, tmp_path):
    for file in files[:2]:
        cut = tmp_path / f"cut{file.suffix}"
        cut.write_bytes(file.read_bytes()[:5000])
        refused(cut, "is truncated or", "fetch it again")
    refused(tmp_path, "is a folder: give the file in it")
    (tmp_path / "weights.npz").write_bytes(b"")
    refused(tmp_path / "weights.npz", "expected .safetensors")
    torch.save({}, tmp_path / "empty.pt")
    refused(tmp_path / "empty.pt", "holds no state dict")
    torch.save({"state_dict": {"logit_scale": 4.6}}, tmp_path / "number.pt")
    refused(tmp_path / "number.pt", "logit_scale is a float; expected a tensor")


def test_another_activation_beside_the_file_is_an_error(files, their_file, tmp_path):
    options = json.loads(their_file.with_name("config.json").read_text())
    options["vision_config"]["hidden_act"] = "gelu"
    weights = tmp_path / "model.safetensors"
    weights.symlink_to(their_file)
    (tmp_path / "config.json").write_text(json.dumps(options))
    refused(weights, "was trained with GELU, but small-clip-quickgelu computes QuickGELU")
    (tmp_path / "config.json").unlink()
    model = {"embed_dim": 32, "vision_cfg": {}, "text_cfg": {}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": model}))
    refused(weights, "open_clip_config.json says", "GELU")


def test_a_file_alone_says_that_its_activation_is_taken_for_granted(files, their_file, tmp_path):
    assert load_backbone(SMALL, weights=their_file).notes == ()
    alone = tmp_path / "alone.safetensors"
    alone.symlink_to(their_file)
    (note,) = load_backbone(SMALL, weights=alone).notes
    assert "beside alone.safetensors states its activation, taken to be QuickGELU" in note
    # That of some other model is no statement about either tower.
    (tmp_path / "config.json").write_text(json.dumps({"hidden_act": "gelu"}))
    assert load_backbone(SMALL, weights=alone).notes == (note,)


def test_a_tag_of_another_activation_is_an_error(files, monkeypatch):
    plain = ClipSource(architecture="ViT-B-32", sites="", tag="openai", repository="x")
    monkeypatch.setitem(BACKBONES, SMALL, plain)
    monkeypatch.setitem(KNOWN, "ViT-B-32", built_facts(plain))
    refused(files[0], "'openai' were trained with QuickGELU, but ViT-B-32 computes GELU")


@pytest.mark.parametrize("name", ["vit_b32", "vit_l14", "convnext"])
def test_tags_fit_the_architectures_and_sizes_the_files(name):
    source = BACKBONES[name]
    known = open_clip.pretrained.get_pretrained_cfg(source.architecture, source.tag)
    assert known["hf_hub"] == f"{source.repository}/"
    assert bool(known.get("quick_gelu", False)) == source.quick_gelu
    assert known["mean"] == source.mean
    assert known["std"] == source.std
    with torch.device("meta"):
        config = open_clip.get_model_config(source.architecture)
        model = open_clip.CLIP(**config)
    values = sum(parameter.numel() for parameter in model.parameters())
    assert 4 * values / 1e6 == pytest.approx(source.megabytes, abs=1)
