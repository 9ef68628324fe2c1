"""A tower in two stages computes what the whole one computes, and never from a stale stem."""

from __future__ import annotations

from collections import Counter

import open_clip
import pytest
import torch
from torch import nn
from training import tiny_backbone

from mergebench.backbones import Backbone, Body, StemOutputs, autocast
from mergebench.backbones.clip.architectures import create_model
from mergebench.backbones.clip.towers import parts_of
from mergebench.backbones.precision import Precision


def images(count: int = 6) -> torch.Tensor:
    draws = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 32, 32), generator=draws, dtype=torch.uint8)


@pytest.fixture(scope="module", params=["mini_vit", "mini_convnext"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stem_and_body_are_the_tower_bit_for_bit(backbone: Backbone, precision: Precision) -> None:
    outputs = StemOutputs(backbone, images(), precision=precision)
    pixels = backbone.prepare(images())
    with autocast(backbone.device, precision), torch.no_grad():
        whole = backbone.tower(pixels)
        assert torch.equal(Body(backbone.parts)(outputs.of(slice(6))), whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ViT-B-32-quickgelu", "convnext_base_w"])
def test_the_paper_s_towers_split_alike(name: str) -> None:
    side = open_clip.get_model_config(name)["vision_cfg"]["image_size"]
    tower: nn.Module = create_model(name).visual.eval()
    pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    parts = parts_of(tower)
    with torch.inference_mode():
        assert torch.equal(Body(parts)(parts.stem(pixels)), tower(pixels))


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("mini_vit", {"ResidualAttentionBlock": 3}),
        ("mini_convnext", {"ConvNeXtBlock": 8, "Sequential": 4}),
    ],
)
def test_blocks_have_the_paths_of_their_modules(name: str, kinds: dict[str, int]) -> None:
    backbone = tiny_backbone(name)
    found = backbone.parts.blocks()
    assert Counter(type(block).__name__ for block in found.values()) == kinds
    assert all(backbone.tower.get_submodule(path) is block for path, block in found.items())


def test_every_site_is_in_a_block_and_the_order_is_that_of_execution(backbone: Backbone) -> None:
    order: list[str] = []
    hooks = [
        block.register_forward_pre_hook(lambda module, taken, path=path: order.append(path))
        for path, block in backbone.parts.blocks().items()
    ]
    backbone.tower(backbone.prepare(images(1)))
    for hook in hooks:
        hook.remove()
    assert order == [*backbone.parts.blocks()]
    assert all(any(site.startswith(f"{path}.") for path in order) for site in backbone.sites)


def test_stem_blocks_and_suffix_are_the_tower_bit_for_bit(backbone: Backbone) -> None:
    parts, pixels = backbone.parts, backbone.prepare(images())
    hidden = parts.stem(pixels)
    for block in parts.blocks().values():
        hidden = parts.run(block, hidden)
    assert torch.equal(parts.suffix(hidden), backbone.tower(pixels))


def test_a_residual_network_has_no_stem_that_we_know() -> None:
    with pytest.raises(TypeError, match="Linear is neither a ViT of open_clip nor a ConvNeXt"):
        parts_of(nn.Linear(2, 2))


def test_no_site_is_part_of_the_stem(backbone: Backbone) -> None:
    sites = {id(linear.weight) for linear in backbone.sites.values()}
    assert not sites & {id(parameter) for parameter in backbone.parts.stem_parameters()}


def test_the_stem_depends_on_all_its_parameters_and_no_others(backbone: Backbone) -> None:
    own = {id(parameter) for parameter in backbone.parts.stem_parameters()}
    pixels = backbone.prepare(images(2))
    before = backbone.parts.stem(pixels)
    for parameter in backbone.tower.parameters():
        kept = parameter.detach().clone()
        with torch.no_grad():
            parameter.copy_(torch.randn(kept.shape, generator=torch.Generator().manual_seed(1)))
        changed = not torch.equal(backbone.parts.stem(pixels), before)
        with torch.no_grad():
            parameter.copy_(kept)
        assert changed is (id(parameter) in own)


def test_kept_outputs_are_those_of_each_request(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = torch.tensor([4, 0, 3])
    kept = StemOutputs(backbone, images(), precision="bf16").of(rows)
    monkeypatch.setattr("mergebench.backbones.stem_outputs.KEPT_BYTES", 0)
    assert torch.equal(StemOutputs(backbone, images(), precision="bf16").of(rows), kept)


def test_a_write_to_the_stem_is_noticed(backbone: Backbone) -> None:
    outputs = StemOutputs(backbone, images(), precision="fp32")
    before = outputs.of(slice(3))
    parameter = backbone.parts.stem_parameters()[0]
    original = parameter.detach().clone()
    with torch.no_grad():
        torch.add(original, 1.0, out=parameter)
        changed = outputs.of(slice(3))
        parameter.copy_(original)
    assert not torch.equal(changed, before)
    assert torch.equal(outputs.of(slice(3)), before)


def test_outputs_requested_in_inference_mode_can_be_trained_on(backbone: Backbone) -> None:
    outputs = StemOutputs(backbone, images(), precision="fp32")
    with torch.inference_mode():
        outputs.of(slice(2))
    assert not outputs.of(slice(2)).is_inference()
