"""Backbones: split attention, sites, preprocessing, heads, tokenizer and checkpoints."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
from torch import nn

from mergebench.backbones import (
    EMBEDDED,
    SplitAttention,
    create_model,
    load_backbone,
    split_attention,
    text_head,
)
from mergebench.backbones.clip.attention import EXPLICIT_TOKENS
from mergebench.backbones.clip.checkpoint import (
    EMBEDDED_FOLDER,
    read_checkpoint,
    write_checkpoint,
)
from mergebench.backbones.clip.convolutional_stem import ConvolutionalStem
from mergebench.backbones.clip.words import UNKNOWN, WordTokenizer, vocabulary_of, words_of
from mergebench.errors import InputError
from mergebench.seeding import generator


def _images(count: int, size: int = 32) -> torch.Tensor:
    shape = (count, 3, size, size)
    return torch.randint(256, shape, dtype=torch.uint8, generator=generator("images"))


@pytest.mark.parametrize("tokens", [17, EXPLICIT_TOKENS + 1])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("masked", [False, True])
def test_split_attention_equals_fused(tokens: int, batch_first: bool, masked: bool) -> None:
    fused = nn.MultiheadAttention(24, 3, batch_first=batch_first)
    nn.init.normal_(fused.in_proj_bias, generator=generator("bias"))
    split = SplitAttention.from_fused(fused)
    shape = (2, tokens, 24) if batch_first else (tokens, 2, 24)
    inputs = [torch.randn(shape, generator=generator("x")).requires_grad_() for _ in range(2)]
    mask = torch.full((tokens, tokens), -torch.inf).triu(1) if masked else None
    x, y = inputs
    expected = fused(x, x, x, need_weights=False, attn_mask=mask)[0]
    found, weights = split(y, y, y, need_weights=False, attn_mask=mask)
    expected.square().sum().backward()
    found.square().sum().backward()
    assert weights is None
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(y.grad, x.grad, rtol=1e-5, atol=1e-5)
    packed = torch.cat([p.weight.grad for p in (split.q_proj, split.k_proj, split.v_proj)])
    torch.testing.assert_close(packed, fused.in_proj_weight.grad, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(
        split.out_proj.weight.grad, fused.out_proj.weight.grad, rtol=1e-5, atol=1e-4
    )


def test_split_attention_refuses_what_it_cannot_represent() -> None:
    with pytest.raises(ValueError, match="cannot split"):
        SplitAttention.from_fused(nn.MultiheadAttention(8, 2, kdim=4))
    with pytest.raises(ValueError, match="3 heads do not divide"):
        SplitAttention(8, 3)
    with pytest.raises(ValueError, match="need_weights=False"):
        SplitAttention(8, 2)(*[torch.zeros(1, 2, 8)] * 3, need_weights=True)


@pytest.mark.parametrize("name", ["mini_vit", "ViT-B-32-quickgelu"])
def test_split_tower_equals_fused_tower(name: str) -> None:
    create_model("mini_vit")  # makes the embedded configurations known
    config = open_clip.get_model_config(name)
    config["vision_cfg"]["layers"] = 2  # the shapes are what matters
    config["text_cfg"]["layers"] = 1
    model = open_clip.CLIP(**config).eval()
    size = config["vision_cfg"]["image_size"]
    images = torch.randn(2, 3, size, size, generator=generator("tower"))
    texts = torch.randint(5, (2, model.context_length), generator=generator("texts"))
    expected = model.encode_image(images), model.encode_text(texts)
    split_attention(model)
    assert not any(isinstance(module, nn.MultiheadAttention) for module in model.modules())
    torch.testing.assert_close(model.encode_image(images), expected[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(model.encode_text(texts), expected[1], rtol=0, atol=1e-5)


def test_the_stem_gives_the_patch_grid() -> None:
    tower = load_backbone("mini_vit", weights="random").tower
    assert isinstance(tower.conv1, ConvolutionalStem)
    assert tower.conv1(torch.zeros(2, 3, 32, 32)).shape == (2, 256, *tower.grid_size)
    patches = nn.Conv2d(3, 16, kernel_size=8, stride=8)
    images = torch.zeros(1, 3, 64, 64)
    assert ConvolutionalStem(16)(images).shape == patches(images).shape


@pytest.mark.parametrize(
    ("name", "first", "count"),
    [
        ("mini_vit", "transformer.resblocks.0.mlp.c_fc", 6),
        ("mini_convnext", "trunk.stages.0.blocks.0.mlp.fc1", 16),
    ],
)
def test_sites(name: str, first: str, count: int) -> None:
    backbone = load_backbone(name, weights="random")
    assert next(iter(backbone.sites)) == first
    assert len(backbone.sites) == count
    for path, site in backbone.sites.items():
        assert backbone.tower.get_submodule(path) is site


@pytest.mark.parametrize("name", EMBEDDED)
def test_features_are_unit_rows_and_reproducible(name: str) -> None:
    images = _images(3)
    backbone = load_backbone(name, weights="random")
    features = backbone.features(images)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(3))
    assert features.dtype == torch.float32
    again = load_backbone(name, weights="random").features(images)
    assert torch.equal(features, again)


def test_images_are_normalised_and_resized() -> None:
    backbone = load_backbone("mini_vit", weights="random")
    white = torch.full((1, 3, 48, 48), 255, dtype=torch.uint8)
    torch.testing.assert_close(backbone.prepare(white), torch.full((1, 3, 32, 32), 2.0))
    with pytest.raises(
        ValueError, match=r"takes images, uint8 of shape \(N, 3, S, S\), not torch.float32"
    ):
        backbone.prepare(white.float())


def test_head_rows_are_unit_means_of_unit_embeddings() -> None:
    backbone = load_backbone("mini_vit", weights="random")
    templates = ["a photo of a {}", "the {}!"]
    head = text_head(backbone, ["cat", "dog", "bird"], templates)
    assert head.shape == (3, 128)
    torch.testing.assert_close(head.norm(dim=1), torch.ones(3))
    rows = nn.functional.normalize(backbone.embed_texts(["a photo of a dog", "the dog!"]), dim=-1)
    torch.testing.assert_close(head[1], nn.functional.normalize(rows.mean(0), dim=0))
    with pytest.raises(ValueError, match="at least one class"):
        text_head(backbone, [], templates)


def test_tokenizer_marks_unknown_words_and_cuts_long_texts() -> None:
    assert words_of("It's a T-shirt, No_7") == [
        *("it", "'", "s", "a", "t", "-", "shirt", ",", "no", "7")
    ]
    vocabulary = vocabulary_of(["b a", "b c", "a b"], 6, ["z"])
    assert vocabulary == ("z", "b", "a")
    tokenizer = WordTokenizer(vocabulary=vocabulary, size=6, context_length=4)
    assert tokenizer(["a q", "b b b b b"]).tolist() == [[4, UNKNOWN, 5, 0], [3, 3, 3, 5]]
    with pytest.raises(ValueError, match="do not fit"):
        WordTokenizer(vocabulary=vocabulary, size=5, context_length=4)


def test_unknown_backbone_suggests_a_name() -> None:
    with pytest.raises(InputError, match="unknown backbone 'mini_vti'; did you mean mini_vit"):
        load_backbone("mini_vti")


def test_missing_weights_file_is_named() -> None:
    with pytest.raises(InputError, match=r"no weights at nowhere\.pt"):
        load_backbone("vit_b32", weights="nowhere.pt")


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_checkpoint_loads_and_is_small(name: str) -> None:
    assert (EMBEDDED_FOLDER / f"{name}.safetensors").stat().st_size <= 10e6
    backbone = load_backbone(name)
    assert backbone.sha256 == read_checkpoint(EMBEDDED_FOLDER, name).sha256
    assert 5 < backbone.logit_scale <= 100


def test_damaged_or_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    model = create_model("mini_vit")
    file = write_checkpoint(tmp_path, "mini_vit", model.state_dict(), ("a", "b"), {"steps": 0})
    backbone = load_backbone("mini_vit", weights=tmp_path)
    weight = model.state_dict()["visual.conv1.0.weight"].half().float()
    assert torch.equal(backbone.model.state_dict()["visual.conv1.0.weight"], weight)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"mini_vit\.safetensors is damaged: its SHA-256 is"):
        load_backbone("mini_vit", weights=tmp_path)
    file.unlink()
    with pytest.raises(
        InputError, match=r"no .*mini_vit\.safetensors: weights of mini_vit are a folder"
    ):
        load_backbone("mini_vit", weights=tmp_path)
