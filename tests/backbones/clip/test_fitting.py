"""Weights of CLIPs from every format give the same features."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
from clip_files import SMALL, fused, huggingface_clip, write_every_format
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import CLIPModel, CLIPVisionModelWithProjection

from mergebench.backbones import BACKBONES, Backbone, load_backbone, text_head
from mergebench.seeding import generator

TEXTS = ["a photo of a dog.", "3", "brushland or shrubland"]


def images_of(size: int, count: int = 3) -> torch.Tensor:
    draws = generator("weight files")
    return torch.randint(256, (count, 3, size, size), dtype=torch.uint8, generator=draws)


@torch.inference_mode()
def assert_equals_huggingface(backbone: Backbone, theirs: CLIPModel) -> None:
    """Compare both towers, and the vision tower as `CLIPVisionModelWithProjection` has it."""
    images, tokens = images_of(backbone.resolution), backbone.tokenize(TEXTS)
    pixels = backbone.prepare(images)
    vision = CLIPVisionModelWithProjection(theirs.config.vision_config).eval()
    vision.vision_model, vision.visual_projection = theirs.vision_model, theirs.visual_projection
    expected = vision(pixel_values=pixels).image_embeds
    torch.testing.assert_close(backbone.tower(pixels), expected, rtol=1e-4, atol=1e-5)
    hidden = theirs.text_model(input_ids=tokens).pooler_output
    expected = theirs.text_projection(hidden)
    torch.testing.assert_close(backbone.embed_texts(TEXTS), expected, rtol=1e-4, atol=1e-5)
    assert backbone.logit_scale == pytest.approx(float(theirs.logit_scale.exp()))


@torch.inference_mode()
def assert_equals_open_clip(backbone: Backbone, file: Path) -> None:
    """Compare both towers with what open_clip itself makes of the file, fused attention and all."""
    architecture = BACKBONES[backbone.name].architecture
    expected = open_clip.create_model(architecture, pretrained=str(file)).eval()
    pixels = backbone.prepare(images_of(backbone.resolution))
    ours, texts = backbone.tower(pixels), backbone.tokenize(TEXTS)
    torch.testing.assert_close(ours, expected.encode_image(pixels), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        backbone.embed_texts(TEXTS), expected.encode_text(texts), rtol=1e-5, atol=1e-5
    )


def test_huggingface_weights_compute_what_huggingface_does(theirs, their_file):
    assert_equals_huggingface(load_backbone(SMALL, weights=their_file), theirs)


def test_all_formats_are_one_backbone(files, their_file):
    first = load_backbone(SMALL, weights=their_file)
    features, head = first.features(images_of(32)), text_head(first, TEXTS, ["{}"])
    for file in files:
        again = load_backbone(SMALL, weights=file)
        assert again.sha256 == first.sha256, file
        assert torch.equal(again.features(images_of(32)), features)
        assert torch.equal(text_head(again, TEXTS, ["{}"]), head)


@pytest.mark.parametrize("place", [0, 2])
def test_open_clip_computes_the_same_from_the_same_file(files, place):
    assert_equals_open_clip(load_backbone(SMALL, weights=files[place]), files[place])


def test_half_precision_becomes_single(files, tmp_path):
    state = {key: value.half() for key, value in load_file(files[0]).items()}
    save_file(state, tmp_path / "half.safetensors")
    model = load_backbone(SMALL, weights=tmp_path / "half.safetensors").model
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    assert torch.equal(model.visual.proj, state["visual.proj"].float())


def test_features_of_a_loaded_backbone_are_unit_rows(files):
    features = load_backbone(SMALL, weights=files[0]).features(images_of(48))
    torch.testing.assert_close(functional.normalize(features, dim=1), features)


@pytest.mark.slow
def test_vit_b32_computes_what_huggingface_and_open_clip_do(tmp_path):
    theirs = huggingface_clip("ViT-B-32-quickgelu")
    theirs.save_pretrained(tmp_path)
    backbone = load_backbone("vit_b32", weights=tmp_path / "model.safetensors")
    assert_equals_huggingface(backbone, theirs)
    files = write_every_format(fused(backbone.model.state_dict()), tmp_path)
    assert_equals_open_clip(backbone, files[0])
    images = images_of(224)
    for file in files:
        again = load_backbone("vit_b32", weights=file)
        assert again.sha256 == backbone.sha256
        assert torch.equal(again.features(images), backbone.features(images))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit_l14", "convnext"])
def test_open_clip_files_of_the_larger_backbones(name, tmp_path):
    random = load_backbone(name, weights="random")
    state = fused(random.model.state_dict())
    del random
    file = tmp_path / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in state.items()}, file)
    del state
    assert_equals_open_clip(load_backbone(name, weights=file), file)
