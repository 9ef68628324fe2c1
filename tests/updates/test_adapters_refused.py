"""Adapters and dense files that are refused, each in one line that names the file."""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from adapter_files import (
    PREFIX,
    change_weights,
    configure,
    drop,
    load,
    low_rank_update,
    random,
)
from safetensors.torch import save_file
from torch import Tensor

from mergebench.errors import InputError
from mergebench.updates.adapters import save_adapter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_adapter(low_rank_update(), tmp_path / "adapter")
    return tmp_path / "adapter"


def put(key: str, tensor: Tensor) -> Callable[[Path], None]:
    return lambda folder: change_weights(folder, lambda tensors: tensors.update({key: tensor}))


def option(**options: Any) -> Callable[[Path], None]:
    return lambda folder: configure(folder, **options)


def without(unwanted: str) -> Callable[[Path], None]:
    return lambda folder: change_weights(folder, drop(lambda key: unwanted in key))


def truncated(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-7])


def rewritten(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


def for_another_backbone(folder: Path) -> None:
    def rename(tensors: dict[str, Tensor]) -> None:
        for key in list(tensors):
            tensors[key.replace("blocks", "trunk.stages")] = tensors.pop(key)

    change_weights(folder, rename)


def two_names(folder: Path) -> None:
    def rename(tensors: dict[str, Tensor]) -> None:
        for index, key in enumerate(sorted(tensors)):
            name = ("one", "two")[index % 2]
            tensors[key.replace(".weight", f".{name}.weight")] = tensors.pop(key)

    change_weights(folder, rename)


def only_a_pickle(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def pipe(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return make


def device(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to("/dev/zero")

    return make


def moved_into(*names: str) -> Callable[[Path], None]:
    """Move the adapter into each of these subfolders."""

    def move(folder: Path) -> None:
        for name in names:
            (folder / name).mkdir()
            for file in (CONFIG, WEIGHTS):
                shutil.copy(folder / file, folder / name)
        for file in (CONFIG, WEIGHTS):
            (folder / file).unlink()

    return move


Q = f"{PREFIX}blocks.2.attn.q_proj"
NAN = torch.full((3, 8), math.nan)
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "DoRA by its config": (option(use_dora=True), r"adapter_config.*use_dora.*DoRA"),
    "DoRA by its key": (put(f"{Q}.lora_magnitude_vector", random(8)), "belongs to DoRA"),
    "biases": (option(bias="all"), "bias is 'all'"),
    "LoRA biases": (option(lora_bias=True), "lora_bias is set"),
    "a bias tensor": (put(f"{Q}.lora_B.bias", random(8)), "lora_B.bias is a bias"),
    "modules to save": (option(modules_to_save=["head"]), "modules_to_save is set"),
    "transposed weights": (option(fan_in_fan_out=True), "fan_in_fan_out is set"),
    "PiSSA": (option(init_lora_weights="pissa_niter_4"), "'pissa_niter_4'.*changes the base"),
    "OLoRA": (option(init_lora_weights="olora"), "'olora'.*changes the base"),
    "CorDA": (option(init_lora_weights="corda"), "'corda'.*changes the base"),
    "LoftQ": (option(init_lora_weights="loftq"), "'loftq'.*changes the base"),
    "a base that is no name": (option(base_model_name_or_path=3), "base_model_name_or_path: "),
    "another base": (
        option(base_model_name_or_path="openai/clip-vit-base-patch16"),
        "base_model_name_or_path is 'openai/clip-vit-base-patch16', which is not toy: choose",
    ),
    "target parameters": (option(target_parameters=["x"]), "target_parameters is set"),
    "KaSA": (option(kasa_config={"beta": 1e-4, "gamma": 1e-3}), "kasa_config is set: KaSA"),
    "KaSA by its key": (
        put(f"{Q}.lora_diag", random(3)),
        "lora_diag belongs to KaSA, which .* use a plain LoRA adapter",
    ),
    "an embedding": (
        put(f"{PREFIX}token_embedding.lora_embedding_A", random(3, 8)),
        "belongs to an embedding, which is no linear layer",
    ),
    "a head": (put(f"{PREFIX}lm_head.lora_A.weight", random(3, 8)), "no site 'lm_head'.*1 of 7"),
    "a module saved whole": (
        put(f"{PREFIX}head.modules_to_save.weight", random(3, 8)),
        "belongs to a module saved whole",
    ),
    "adapters of two names": (two_names, r"holds adapters of 2 names \(one, two\): save one"),
    "dtypes that differ at a site": (
        put(f"{Q}.lora_A.weight", random(3, 8).double()),
        "mixes dtypes in its factors: convert",
    ),
    "a key that no line can show": (put("a\nb.lora_A.weight", random(3, 8)), "export it again"),
    "a key that takes long to compare": (put("a" * 100_000, random(3)), "has 100000 characters"),
    "a config nested too deeply": (
        rewritten(CONFIG, b"[" * 100_000 + b"]" * 100_000),
        "adapter_config.json is nested too deeply",
    ),
    "a config that is too large": (
        rewritten(CONFIG, b" " * (1 << 21)),
        "larger than 1048576 bytes",
    ),
    "a pipe as config": (pipe(CONFIG), "adapter_config.json is a folder, pipe or device"),
    "a pipe as weights": (pipe(WEIGHTS), "safetensors is a folder, pipe or device"),
    "a device as config": (device(CONFIG), "adapter_config.json is a folder, pipe or device"),
    "both kinds of weights": (
        lambda folder: shutil.copy(folder / WEIGHTS, folder / "update.safetensors"),
        "holds update.safetensors and adapter_model.safetensors: give the one",
    ),
    "an adapter of another name": (
        moved_into("x"),
        r"is missing, but subfolders hold adapters: give one: \S+/x$",
    ),
    "checkpoints": (
        moved_into("checkpoint-500", "checkpoint-1000"),
        r"give one: \S+/checkpoint-500, \S+/checkpoint-1000$",
    ),
    "another method": (option(peft_type="IA3"), "peft_type is 'IA3'"),
    "an option of the future": (option(use_sorcery=True), "unknown option 'use_sorcery'"),
    "r that is no integer": (option(r="four"), "adapter_config.json: r: "),
    "alpha that is not finite": (option(lora_alpha=math.inf), "lora_alpha: .*finite"),
    "alpha beyond every float": (option(lora_alpha=10**400), "lora_alpha: "),
    "alpha that overflows": (option(lora_alpha=1e39), "holds a NaN or an infinity"),
    "r beyond every size": (option(r=10**30), "has rank 3, but adapter_config.json says 10000"),
    "no names of modules": (option(target_modules=[3]), "target_modules"),
    "a bad pattern": (option(rank_pattern={"fc(": 2}), r"'fc\(' is not a regular expression"),
    "a config that is no JSON": (rewritten(CONFIG, b"{'r': 4}"), "not valid JSON"),
    "a config that is no object": (rewritten(CONFIG, b"[]"), "not a JSON object"),
    "a config that is no text": (rewritten(CONFIG, b"\xff\xfe\x00"), "not valid JSON"),
    "no config": (lambda folder: (folder / CONFIG).unlink(), "adapter_config.json is missing"),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), "safetensors is missing"),
    "no folder": (shutil.rmtree, "no such adapter folder"),
    "a pickle": (only_a_pickle, r"adapter_model\.bin is a pickle.*safe_serialization=True"),
    "truncated weights": (truncated, "truncated or not a safetensors file"),
    "empty weights": (rewritten(WEIGHTS, b""), "truncated or not a safetensors file"),
    "a web page": (rewritten(WEIGHTS, b"<!DOCTYPE html>" * 9), "not a safetensors file"),
    "an unknown key": (put(f"{Q}.lora_C.weight", random(3, 8)), rf"unknown key.*\(nearest: {Q}"),
    "two spellings of a key": (
        put("blocks.2.attn.q_proj.lora_A.weight", random(3, 8)),
        "q_proj has two lora_A",
    ),
    "A without B": (without("2.mlp.fc1.lora_B"), r"blocks\.2\.mlp\.fc1 has no lora_B\.weight"),
    "B without A": (without("2.mlp.fc1.lora_A"), r"blocks\.2\.mlp\.fc1 has no lora_A\.weight"),
    "a promised site missing": (
        without("10.mlp.fc1"),
        r"blocks\.10\.mlp\.fc1 of toy is missing",
    ),
    "another backbone": (
        for_another_backbone,
        r"toy has no site 'trunk.*6 of 6 sites.*expected an adapter for toy",
    ),
    "an extra site": (
        put(f"{PREFIX}blocks.11.mlp.fc1.lora_A.weight", random(3, 8)),
        r"no site 'blocks\.11\.mlp\.fc1' \(nearest: blocks\.1?\d\.mlp\.fc1\); 1 of 7",
    ),
    "a wrong input width": (
        put(f"{Q}.lora_A.weight", random(3, 9)),
        r"q_proj\.lora_A has shape 3×9; toy expects 3×8",
    ),
    "a wrong output width": (
        put(f"{Q}.lora_B.weight", random(7, 3)),
        r"q_proj\.lora_B has shape 7×3; toy expects 8×3",
    ),
    "a convolution": (put(f"{Q}.lora_A.weight", random(3, 8, 1, 1)), "has shape 3×8×1×1"),
    "a scalar": (put(f"{Q}.lora_A.weight", torch.tensor(1.0)), "lora_A has shape"),
    "a rank unlike the config's": (option(r=4), "has rank 3, but adapter_config.json says 4"),
    "an integer dtype": (
        put(f"{Q}.lora_A.weight", torch.ones(3, 8, dtype=torch.int8)),
        r"q_proj\.lora_A has dtype torch\.int8",
    ),
    "an 8-bit float": (
        put(f"{Q}.lora_A.weight", random(3, 8).to(torch.float8_e4m3fn)),
        r"q_proj\.lora_A has dtype torch\.float8",
    ),
    "a NaN": (put(f"{Q}.lora_A.weight", NAN), r"blocks\.2\.attn\.q_proj\.lora_A holds a NaN"),
    "an infinity": (
        put(f"{Q}.lora_B.weight", torch.full((8, 3), math.inf)),
        r"blocks\.2\.attn\.q_proj\.lora_B holds a NaN or an inf",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_refused_in_one_line_naming_the_file(folder: Path, fault: str) -> None:
    damage, message = FAULTS[fault]
    damage(folder)
    with pytest.raises(InputError) as caught:
        load(folder)
    text = str(caught.value)
    assert re.search(message, text), text
    assert str(folder) in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("weights.bin", "is a pickle"),
        ("weights.pt", "is a pickle"),
        ("weights.pth", "is a pickle"),
        ("weights.ckpt", "is a pickle"),
        ("weights.npz", r"expected an adapter folder or a \.safetensors file"),
        ("weights.safetensors", "truncated or not a safetensors file"),
    ],
)
def test_single_files_that_are_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04K*.")
    with pytest.raises(InputError, match=message):
        load(tmp_path / name)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"blocks.2.mlp.fc2": random(16, 8)}, r"no site 'blocks\.2\.mlp\.fc2' \(nearest: blocks"),
        ({"blocks.2.mlp.fc1": random(8, 16)}, r"fc1 has shape 8×16; toy expects 16×8"),
        ({"blocks.2.mlp.fc1": NAN.reshape(8, 3)}, "has shape 8×3"),
        ({"blocks.2.mlp.fc1": torch.full((16, 8), math.nan)}, r"fc1 holds a NaN"),
        ({"blocks.2.mlp.fc1": torch.ones(16, 8, dtype=torch.bool)}, r"dtype torch\.bool"),
        ({}, "holds no tensor"),
    ],
)
def test_dense_files_that_are_refused(
    tmp_path: Path, tensors: dict[str, Tensor], message: str
) -> None:
    save_file(tensors, tmp_path / "merged.safetensors")
    with pytest.raises(InputError, match=message):
        load(tmp_path / "merged.safetensors")
