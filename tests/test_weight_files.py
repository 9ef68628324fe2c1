"""Weights of CLIPs from every format: the same features, or one line that says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import open_clip
import pytest
import torch
from clip_files import SMALL, add_small_backbone, fused, huggingface_clip, write_every_format
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import CLIPModel, CLIPVisionModelWithProjection

from mergebench.backbones import BACKBONES, Backbone, load_backbone, missing_weights, text_head
from mergebench.backbones import hub as hub_module
from mergebench.backbones.hub import FILES
from mergebench.backbones.sources import BackboneSource
from mergebench.errors import InputError
from mergebench.seeding import generator

TEXTS = ["a photo of a dog.", "3", "brushland or shrubland"]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Iterator[BackboneSource]:
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


def images_of(size: int, count: int = 3) -> torch.Tensor:
    draws = generator("weight files")
    return torch.randint(256, (count, 3, size, size), dtype=torch.uint8, generator=draws)


@torch.inference_mode()
def assert_equals_huggingface(backbone: Backbone, theirs: CLIPModel) -> None:
    """Compare both towers, and the vision tower as `CLIPVisionModelWithProjection` has it."""
    images, tokens = images_of(backbone.resolution), backbone.tokenize(TEXTS)
    pixels = backbone.preprocess(images)
    vision = CLIPVisionModelWithProjection(theirs.config.vision_config).eval()
    vision.vision_model, vision.visual_projection = theirs.vision_model, theirs.visual_projection
    expected = vision(pixel_values=pixels).image_embeds
    torch.testing.assert_close(backbone.visual(pixels), expected, rtol=1e-4, atol=1e-5)
    hidden = theirs.text_model(input_ids=tokens).pooler_output
    expected = theirs.text_projection(hidden)
    torch.testing.assert_close(backbone.embed_texts(TEXTS), expected, rtol=1e-4, atol=1e-5)
    assert backbone.logit_scale == pytest.approx(float(theirs.logit_scale.exp()))


@torch.inference_mode()
def assert_equals_open_clip(backbone: Backbone, file: Path) -> None:
    """Compare both towers with what open_clip itself makes of the file, fused attention and all."""
    architecture = BACKBONES[backbone.name].architecture
    expected = open_clip.create_model(architecture, pretrained=str(file)).eval()
    pixels = backbone.preprocess(images_of(backbone.resolution))
    ours, texts = backbone.visual(pixels), backbone.tokenize(TEXTS)
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


def test_a_tag_of_another_activation_is_an_error(files, monkeypatch):
    plain = BackboneSource(architecture="ViT-B-32", sites="", tag="openai", repository="x")
    monkeypatch.setitem(BACKBONES, SMALL, plain)
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


# --- the hub --------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of the hub, and no network."""

    def no_network(url: str, timeout: float) -> None:
        assert timeout <= 5
        raise OSError("no network")

    find = hub_module.try_to_load_from_cache
    monkeypatch.setattr(
        hub_module, "try_to_load_from_cache", lambda *words: find(*words, cache_dir=tmp_path)
    )
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
        f"no weights at {absent}: give a safetensors or open_clip checkpoint file"
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
    monkeypatch.setattr(hub_module, "hf_hub_download", lambda repository, name: pickled)
    assert missing_weights(SMALL) is None
    assert asked == list(FILES)
    assert load_backbone(SMALL).sha256 == load_backbone(SMALL, weights=pickled).sha256


def test_a_broken_download_is_one_line(cache, monkeypatch):
    def break_off(repository: str, name: str) -> str:
        raise OSError(28, "No space left\non device")

    monkeypatch.setattr(hub_module, "ask_hub", lambda url, timeout: None)
    monkeypatch.setattr(hub_module, "hf_hub_download", break_off)
    with pytest.raises(InputError, match=r"cannot download .*No space left on device; run the"):
        load_backbone(SMALL)


# --- the paper's architectures --------------------------------------------------------------


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


def test_features_of_a_loaded_backbone_are_unit_rows(files):
    features = load_backbone(SMALL, weights=files[0]).features(images_of(48))
    torch.testing.assert_close(functional.normalize(features, dim=1), features)
