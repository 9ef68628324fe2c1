"""Adapters of Hugging Face's CLIP are updates of the same CLIP here, and the other way round."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from clip_files import SMALL, add_small_backbone, huggingface_clip
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPModel

from mergebench import cli
from mergebench.backbones import BACKBONES, Backbone, base_of, load_backbone, site_shapes
from mergebench.errors import InputError
from mergebench.measure.evaluate import deployed
from mergebench.seeding import generator
from mergebench.updates.adapter_config import CONFIG_NAME
from mergebench.updates.adapters import WEIGHTS_NAME, load_update, save_adapter
from mergebench.updates.block_names import CLIP_BLOCKS
from mergebench.updates.huggingface_names import huggingface_module
from mergebench.updates.update import LowRank, Update

ATTENTION = r".*vision_model\..*\.(q_proj|k_proj|v_proj|out_proj)"


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Iterator[CLIPModel]:
    source = add_small_backbone(tmp_path_factory.mktemp("architecture"))
    yield huggingface_clip(source.architecture)
    del BACKBONES[SMALL]


@pytest.fixture(scope="module")
def backbone(theirs, tmp_path_factory) -> Backbone:
    folder = tmp_path_factory.mktemp("weights")
    theirs.save_pretrained(folder)
    return load_backbone(SMALL, weights=folder / "model.safetensors")


@pytest.fixture(scope="module")
def shapes(theirs) -> dict[str, tuple[int, int]]:
    return site_shapes(SMALL)


def random_update(shapes: dict[str, tuple[int, int]], ranks: tuple[int, ...] = (3,)) -> Update:
    sites = {}
    for index, (site, (rows, columns)) in enumerate(shapes.items()):
        draws, rank = generator("layout", site), ranks[index % len(ranks)]
        up = 0.1 * torch.randn(rows, rank, generator=draws)
        sites[site] = LowRank(up=up, down=torch.randn(rank, columns, generator=draws))
    return Update(sites=sites)


def fresh(theirs: CLIPModel) -> CLIPModel:
    """Return a copy that PEFT may change."""
    model = CLIPModel(theirs.config)
    model.load_state_dict(theirs.state_dict())
    return model.eval()


@torch.inference_mode()
def embedded(model: nn.Module, pixels: Tensor) -> Tensor:
    hidden = model.vision_model(pixel_values=pixels).pooler_output
    return model.visual_projection(hidden)


@torch.inference_mode()
def assert_same_features(backbone: Backbone, update: Update, adapted: nn.Module) -> None:
    images = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8, generator=generator("images"))
    pixels = backbone.prepare(images)
    expected = embedded(adapted, pixels)
    assert (expected - backbone.tower(pixels)).abs().max() > 0.1
    with deployed(backbone, update):
        torch.testing.assert_close(backbone.tower(pixels), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"target_modules": ATTENTION},
        {"target_modules": ATTENTION, "use_rslora": True},
        {
            "target_modules": ATTENTION,
            "rank_pattern": {"q_proj": 2, r"layers\.1\.self_attn\.v_proj": 5},
            "alpha_pattern": {"out_proj": 3},
        },
        {"target_modules": r".*vision_model\..*\.(q_proj|v_proj)"},
    ],
)
def test_what_peft_trains_there_is_an_update_here(tmp_path, theirs, backbone, shapes, options):
    config = peft.LoraConfig(**{"r": 4, "lora_alpha": 8, **options})
    adapted = peft.get_peft_model(fresh(theirs), config).eval()
    draws = torch.Generator().manual_seed(3)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=draws)
    adapted.save_pretrained(tmp_path)
    # PEFT sorts patterns as it saves, and the first match counts: only the file is the reference.
    adapted = peft.PeftModel.from_pretrained(fresh(theirs), tmp_path).eval()
    update = load_update(tmp_path, shapes, SMALL)
    assert set(update.sites) <= set(shapes)
    assert_same_features(backbone, update, adapted)


@pytest.mark.parametrize("ranks", [(3,), (1, 2, 2)])
def test_what_we_export_loads_there_and_comes_back(tmp_path, theirs, backbone, shapes, ranks):
    update = random_update(shapes, ranks)
    save_adapter(update, tmp_path, layout="huggingface")
    assert load_update(tmp_path, shapes, SMALL).sha256 == update.sha256
    adapted = peft.PeftModel.from_pretrained(fresh(theirs), tmp_path).eval()
    assert_same_features(backbone, update, adapted)


def renamed(folder: Path, old: str, new: str) -> None:
    """Rename all keys and targets of an exported adapter."""
    file, config = folder / WEIGHTS_NAME, folder / CONFIG_NAME
    save_file({key.replace(old, new, 1): value for key, value in load_file(file).items()}, file)
    options: dict[str, Any] = json.loads(config.read_text())
    part = old.removeprefix("base_model.model."), new.removeprefix("base_model.model.")
    options["target_modules"] = [name.replace(*part, 1) for name in options["target_modules"]]
    config.write_text(json.dumps(options))


@pytest.mark.parametrize(
    "prefix",
    [
        "vision_model.",  # without PEFT's prefix
        "base_model.model.model.vision_model.",  # a wrapper with the tower as `model`
        "model.vision_model.",
    ],
)
def test_prefixes_of_other_wrappers(tmp_path, shapes, prefix):
    update = random_update(shapes)
    save_adapter(update, tmp_path, layout="huggingface")
    renamed(tmp_path, "base_model.model.vision_model.", prefix)
    assert load_update(tmp_path, shapes, SMALL).sha256 == update.sha256


def test_an_incomplete_adapter_is_refused(tmp_path, shapes):
    save_adapter(random_update(shapes), tmp_path, layout="huggingface")
    file = tmp_path / WEIGHTS_NAME
    tensors = {key: value for key, value in load_file(file).items() if "layers.1" not in key}
    save_file(tensors, file)
    with pytest.raises(
        InputError, match=r"1\.self_attn\.q_proj \(site .*1\.attn\.q_proj\).* missing"
    ):
        load_update(tmp_path, shapes, SMALL)


def test_sites_without_a_counterpart_are_named(tmp_path):
    site = "trunk.stages.0.blocks.0.mlp.fc1"
    update = random_update({site: (8, 4)})
    with pytest.raises(InputError, match=f"site {site} does not exist in Hugging Face's models"):
        save_adapter(update, tmp_path, layout="huggingface")


@pytest.mark.parametrize("name", ["vit_b32", "vit_l14"])
def test_every_site_of_the_papers_vits_has_a_name_there(name):
    shapes = site_shapes(name)
    modules = [str(huggingface_module(site)) for site in shapes]
    assert len(set(modules)) == len(shapes)
    from_blocks_on = [module.removeprefix(CLIP_BLOCKS.before) for module in modules]
    assert [CLIP_BLOCKS.site(module) for module in from_blocks_on] == list(shapes)


def test_other_modules_are_no_sites():
    for module in (
        "text_model.encoder.layers.0.self_attn.q_proj",
        "encoder.layers.0.layer_norm1.extra",
        "encoder.layers.0.self_attn.q_proj.extra",
        "embeddings.patch_embedding",
        "transformer.resblocks.0.attn.q_proj",
        "visual_projection",
    ):
        assert CLIP_BLOCKS.site(module) is None


def test_the_verb_exports_and_says_what_it_cannot(tmp_path, capsys):
    update = random_update(site_shapes("vit_b32"))
    save_adapter(update, tmp_path / "ours")
    words = ["export", str(tmp_path / "ours"), "--backbone", "vit_b32", "--layout", "huggingface"]
    assert cli.main([*words, "--out", str(tmp_path / "theirs")]) == 0
    assert "48 sites" in capsys.readouterr().out
    options = json.loads((tmp_path / "theirs" / CONFIG_NAME).read_text())
    assert options["base_model_name_or_path"] == "openai/clip-vit-base-patch32"
    assert options["target_modules"][0] == "vision_model.encoder.layers.0.self_attn.k_proj"
    base = base_of("vit_b32")
    again = load_update(tmp_path / "theirs", site_shapes("vit_b32"), "vit_b32", base=base)
    assert again.sha256 == update.sha256
    words[words.index("vit_b32")] = "convnext"
    assert cli.main([*words, "--out", str(tmp_path / "more")]) == 2
    assert "convnext has no counterpart there" in capsys.readouterr().err
