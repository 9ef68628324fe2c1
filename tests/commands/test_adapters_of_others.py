"""The options by which a user insists that an adapter fits, and the list of what it must fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from command_line import random_adapter, run
from safetensors.torch import load_file, save_file

from mergebench.backbones import site_shapes

MERGE = ["merge", "--backbone", "vit_b32", "--attack", "ta"]
EXPORT = ["export", "--backbone", "vit_b32", "--layout", "huggingface"]


@pytest.fixture(scope="module")
def shapes() -> dict[str, tuple[int, int]]:
    sites = site_shapes("vit_b32")
    return {site: sites[site] for site in list(sites)[:4]}


@pytest.fixture
def adapter(tmp_path: Path, shapes: dict[str, tuple[int, int]]) -> Path:
    folder = random_adapter(tmp_path / "adapter", shapes, 0)
    file = folder / "adapter_config.json"
    options = json.loads(file.read_text())
    file.write_text(json.dumps(options | {"base_model_name_or_path": "openai/clip-vit-b16"}))
    return folder


@pytest.mark.parametrize("words", [MERGE, EXPORT])
def test_an_adapter_of_another_model_needs_insisting(tmp_path, capsys, adapter, words):
    out = tmp_path / "out.safetensors"
    assert run(*words, adapter, "--out", out) == 2
    told = capsys.readouterr().err
    assert "'openai/clip-vit-b16', which is not vit_b32 (openai/clip-vit-base-patch32)" in told
    assert told.count("\n") == 1
    assert "--other-base" in told
    assert not out.exists()
    assert run(*words, adapter, "--other-base", "--out", out) == 0
    assert out.exists()


def test_a_merge_for_another_backbone_needs_insisting(tmp_path, capsys, adapter):
    merged = tmp_path / "merged.safetensors"
    assert run(*MERGE, adapter, "--other-base", "--out", merged) == 0
    words = [
        "merge",
        "--backbone",
        "vit_l14",
        "--attack",
        "ta",
        merged,
        "--out",
        tmp_path / "x.safetensors",
    ]
    assert run(*words) == 2
    assert "backbone is 'vit_b32', which is not vit_l14" in capsys.readouterr().err
    assert run(*words, "--other-base") == 2
    assert "has shape 768×768; vit_l14 expects 1024×1024" in capsys.readouterr().err


def test_keys_of_either_tower_need_insisting(tmp_path, capsys, adapter):
    assert run(*EXPORT, adapter, "--other-base", "--out", tmp_path / "theirs") == 0
    for file in (tmp_path / "theirs").iterdir():  # the length of a key stands in the header
        file.write_bytes(file.read_bytes().replace(b"vision_model.", b"xxxxx.yyyyyy."))
    config = tmp_path / "theirs" / "adapter_config.json"
    options = json.loads(config.read_text())
    config.write_text(json.dumps(options | {"base_model_name_or_path": None}))
    words = [*MERGE, tmp_path / "theirs", "--out", tmp_path / "out.safetensors"]
    assert run(*words) == 2
    assert "may be of CLIP's vision or text tower" in capsys.readouterr().err
    assert run(*words, "--vision-tower") == 0


@pytest.fixture
def of_minilm(tmp_path: Path) -> Path:
    """An adapter of minilm as its classifier's would be, head included."""
    folder = random_adapter(tmp_path / "adapter", site_shapes("minilm"), 0)
    config, weights = folder / "adapter_config.json", folder / "adapter_model.safetensors"
    options = json.loads(config.read_text())
    options["target_modules"] = [f"bert.{module}" for module in options["target_modules"]]
    config.write_text(json.dumps(options | {"modules_to_save": ["classifier", "score"]}))
    tensors = {key.replace("encoder.", "bert.encoder."): x for key, x in load_file(weights).items()}
    save_file(tensors | {"base_model.model.classifier.weight": torch.ones(2, 384)}, weights)
    return folder


def test_an_adapter_of_minilm_is_exported_without_the_head(tmp_path, capsys, of_minilm):
    words = ["export", of_minilm, "--backbone", "minilm", "--layout"]
    assert run(*words, "huggingface", "--out", tmp_path / "theirs") == 0
    told = capsys.readouterr()
    assert f"{of_minilm}: left out classifier, saved whole: a head is no part of" in told.err
    assert told.err.count("\n") == 1
    assert "24 sites" in told.out
    options = json.loads((tmp_path / "theirs" / "adapter_config.json").read_text())
    assert options["base_model_name_or_path"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert options["target_modules"] == sorted(site_shapes("minilm"))
    assert run(*words, "open_clip", "--out", tmp_path / "more") == 2
    told = capsys.readouterr().err
    assert "--layout open_clip: backbone minilm has no counterpart there; use it for mini_v" in told
    assert not (tmp_path / "more").exists()


def test_an_adapter_of_minilm_is_merged(tmp_path, capsys, of_minilm):
    merged = tmp_path / "merged.safetensors"
    words = ["merge", "--backbone", "minilm", "--attack", "ta", of_minilm, "--out", merged]
    assert run(*words) == 0
    assert "left out classifier" in capsys.readouterr().err
    assert list(load_file(merged)) == sorted(site_shapes("minilm"))


@pytest.mark.parametrize("name", ["vit_b32", "minilm", "mini_vit", "convnext"])
def test_sites_are_listed(capsys, name):
    assert run("list", "sites", "--backbone", name) == 0
    titles, *lines = capsys.readouterr().out.splitlines()
    there = ["Hugging", "Face"] if name in ("vit_b32", "minilm") else []
    assert titles.split() == ["site", "shape", *there]
    shapes = site_shapes(name)
    rows = [line.split() for line in lines]
    assert [(row[0], row[1]) for row in rows] == [
        (site, f"{shape[0]}×{shape[1]}") for site, shape in shapes.items()
    ]
    if name == "vit_b32":
        assert rows[0][2] == "vision_model.encoder.layers.0.self_attn.q_proj"
    if name == "minilm":
        assert [row[2] for row in rows] == list(shapes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sites"], "list sites needs --backbone NAME"),
        (["attacks", "--backbone", "mini_vit"], "nothing else takes it"),
        (["sites", "--backbone", "vit_b23"], "did you mean vit_b32"),
    ],
)
def test_listing_the_sites_of_nothing_is_told(capsys, words, message):
    assert run("list", *words) == 2
    assert message in capsys.readouterr().err
