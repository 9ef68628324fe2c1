"""What a path of weights stands for: files, folders, shards; and what is said of the others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from clip_files import SMALL, write_shards
from safetensors.torch import load_file, save_file

from mergebench.backbones import load_backbone, missing_weights
from mergebench.errors import InputError


def refused(weights: Path, *parts: str) -> None:
    """Both before and while weights are loaded, the same line is said."""
    lines = []
    for use in (missing_weights, lambda name, given: load_backbone(name, weights=given)):
        with pytest.raises(InputError) as caught:
            use(SMALL, weights)
        lines.append(str(caught.value))
    assert lines[0] == lines[1]
    assert "\n" not in lines[0]
    for part in parts:
        assert part in lines[0]


@pytest.fixture
def shards(their_file, tmp_path) -> Path:
    """Return a folder with the weights in three shards and their index."""
    return write_shards(load_file(their_file), tmp_path / "shards")


def changed_index(folder: Path, **entries: object) -> Path:
    """Write some entries of the index anew."""
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"] |= entries
    index.write_text(json.dumps(content))
    return index


def test_shards_are_the_whole_file(shards, their_file):
    save_file({"stray": torch.zeros(1)}, shards / "adapter.safetensors")
    torch.save({"stray": torch.zeros(1)}, shards / "optimizer.pt")
    expected = load_backbone(SMALL, weights=their_file).sha256
    for given in (shards, shards / "model.safetensors.index.json"):
        assert missing_weights(SMALL, given) is None
        assert load_backbone(SMALL, weights=given).sha256 == expected


def test_a_folder_with_one_whole_model_is_that_model(their_file):
    expected = load_backbone(SMALL, weights=their_file).sha256
    assert load_backbone(SMALL, weights=their_file.parent).sha256 == expected


def test_an_absent_shard_is_named(shards):
    (shards / "model-00002-of-00003.safetensors").unlink()
    refused(shards, "names model-00002-of-00003.safetensors, which is not beside it", str(shards))


def test_shards_without_their_index(shards):
    (shards / "model.safetensors.index.json").unlink()
    refused(shards, "has model-00001-of-00003.safetensors but not model.safetensors.index.json")


def test_an_index_that_does_not_fit_its_shards(shards):
    index = changed_index(shards, missing="model-00001-of-00003.safetensors")
    refused(index, "says that missing is in model-00001-of-00003.safetensors, which has no such")


def test_a_tensor_in_two_shards(shards):
    for file in shards.glob("*.safetensors"):
        save_file(load_file(file) | {"logit_scale": torch.tensor(1.0)}, file)
    refused(shards, "logit_scale is in", "and in another shard")


def test_a_tensor_that_the_index_does_not_name_is_read_as_others_are(shards):
    index = shards / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    del content["weight_map"]["logit_scale"]
    index.write_text(json.dumps(content))
    load_backbone(SMALL, weights=shards)
    file = shards / "model-00001-of-00003.safetensors"
    save_file(load_file(file) | {"vision_model.extra": torch.zeros(1)}, file)
    refused(shards, "unknown key 'vision_model.extra'")


@pytest.mark.parametrize(
    "shard", ["../weights.safetensors", "/etc/passwd", "a\\b.safetensors", "..", "", "a.pt", "a\0b"]
)
def test_shards_are_beside_their_index(shards, shard):
    refused(changed_index(shards, x=shard), "is not the name of a safetensors file beside it")


def test_an_index_of_another_form(shards):
    refused(changed_index(shards, x={"y": "z"}), "x has no name of a shard")
    index = shards / "model.safetensors.index.json"
    for content in ("[]", "{}", '{"weight_map": {}}', '{"weight_map": ["a"]}'):
        index.write_text(content)
        refused(shards, "has no weight_map of tensors and shards")
    index.write_text('{"weight_map": ')
    refused(index, "is truncated or not an index of shards")


def test_the_newest_checkpoint_of_a_run_is_named(their_file, tmp_path):
    refused(tmp_path, f"no weights in the folder {tmp_path}")
    for number in (500, 1500, 900, 2000):
        (tmp_path / f"checkpoint-{number}").mkdir()
        (tmp_path / f"checkpoint-{number}" / "optimizer.pt").write_bytes(b"x")
    refused(tmp_path, f"no weights in the folder {tmp_path}")
    for number in (500, 1500, 900):
        (tmp_path / f"checkpoint-{number}" / "model.safetensors").symlink_to(their_file)
    refused(tmp_path, f"has no weights of its own: give {tmp_path / 'checkpoint-1500'}, its newest")
    load_backbone(SMALL, weights=tmp_path / "checkpoint-1500")


def test_a_folder_with_another_file_of_weights_names_it(tmp_path):
    (tmp_path / "training_args.bin").write_bytes(b"x")
    (tmp_path / "epoch_3.pt").write_bytes(b"x")
    refused(tmp_path, f"is a folder: give the file in it, e.g. {tmp_path / 'epoch_3.pt'}")


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    refused(tmp_path / "pipe.pt", "pipe.pt is not a regular file")
    (tmp_path / "null.safetensors").symlink_to("/dev/null")
    refused(tmp_path / "null.safetensors", "is not a regular file")
    (tmp_path / "folder.pt").mkdir()
    refused(tmp_path / "folder.pt", "no weights in the folder")
    (tmp_path / "empty.pt").touch()
    refused(tmp_path / "empty.pt", "empty.pt is empty: fetch it again")
    (tmp_path / "broken.pt").symlink_to(tmp_path / "nowhere")
    refused(tmp_path / "broken.pt", "no weights at")
    refused(tmp_path / "empty.pt" / "inside.pt", "no weights at")
    refused(tmp_path / ("x" * 300), "no weights at", "File name too long")
    (tmp_path / "weights.npz").write_bytes(b"x")
    refused(tmp_path / "weights.npz", "expected .safetensors, its .safetensors.index.json, or .pt")


def test_headers_are_compared_before_values_are_read(files, tmp_path):
    state = load_file(files[0])
    state["visual.proj"] = torch.zeros(3, 4)
    save_file(state, tmp_path / "other.safetensors")
    refused(tmp_path / "other.safetensors", "visual.proj has shape 3×4", "expects 64×32")
    torch.save(state, tmp_path / "other.pt")
    refused(tmp_path / "other.pt", "visual.proj has shape 3×4", "expects 64×32")
