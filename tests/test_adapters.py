"""Updates on disk: exact round trips, PEFT's semantics, and what is refused."""

from __future__ import annotations

import json
import math
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mergebench.adapters import load_update, save_adapter, save_dense
from mergebench.errors import InputError
from mergebench.update import Dense, LowRank, Update

SHAPES = {
    f"blocks.{block}.{name}": shape
    for block in (2, 10)
    for name, shape in {"attn.q_proj": (8, 8), "attn.k_proj": (8, 8), "mlp.fc1": (16, 8)}.items()
}
PREFIX = "base_model.model."


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def low_rank_update(ranks: tuple[int, ...] = (3,), dtype: torch.dtype = torch.float32) -> Update:
    sites = {}
    for index, (site, (m, n)) in enumerate(SHAPES.items()):
        rank = ranks[index % len(ranks)]
        up = random(m, rank, seed=index, dtype=dtype)
        sites[site] = LowRank(up=up, down=random(rank, n, seed=index + 100, dtype=dtype))
    return Update(sites=sites)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_adapter(low_rank_update(), tmp_path / "adapter")
    return tmp_path / "adapter"


def configure(folder: Path, **options: Any) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | options))


def change_weights(folder: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    file = folder / "adapter_model.safetensors"
    tensors = {key: tensor.clone() for key, tensor in load_file(file).items()}
    change(tensors)
    save_file(tensors, file)


def load(path: Path) -> Update:
    return load_update(path, SHAPES, "toy")


# --- round trips ------------------------------------------------------------------------------


@pytest.mark.parametrize("ranks", [(3,), (1, 2, 2), (4, 3, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adapter_round_trip_is_exact(
    tmp_path: Path, ranks: tuple[int, ...], dtype: torch.dtype
) -> None:
    update = low_rank_update(ranks, dtype)
    save_adapter(update, tmp_path / "adapter")
    assert load(tmp_path / "adapter").sha256 == update.sha256
    assert load(tmp_path / "adapter" / "adapter_model.safetensors").sha256 == update.sha256


def test_dense_round_trip_is_exact_and_bytes_repeat(tmp_path: Path) -> None:
    update = Update(sites={site: Dense(delta=random(*shape)) for site, shape in SHAPES.items()})
    metadata = {"attack": "ties(top_k=0.2)", "alpha": 0.5, "space": "full", "backbone": "toy"}
    save_dense(update, tmp_path / "a.safetensors", metadata)
    save_dense(update, tmp_path / "b.safetensors", dict(reversed(metadata.items())))
    assert load(tmp_path / "a.safetensors").sha256 == update.sha256
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert set(load_file(tmp_path / "a.safetensors")) == set(SHAPES)


def test_saving_again_replaces_the_adapter_and_leaves_nothing_else(folder: Path) -> None:
    save_adapter(low_rank_update((2, 5)), folder)
    assert load(folder).sha256 == low_rank_update((2, 5)).sha256
    assert {file.name for file in folder.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }


def test_interrupted_save_is_refused_on_load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mergebench.adapters.save_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_adapter(low_rank_update((2,)), folder)
    with pytest.raises(InputError, match=r"adapter_config\.json is missing"):
        load(folder)


def test_save_refuses_what_the_format_cannot_hold(tmp_path: Path) -> None:
    dense = Update(sites={"blocks.2.mlp.fc1": Dense(delta=random(16, 8))})
    with pytest.raises(InputError, match=r"blocks\.2\.mlp\.fc1 has no low-rank factors"):
        save_adapter(dense, tmp_path / "adapter")
    huge = Update(sites={"fc": Dense(delta=torch.full((2, 2), 1e300, dtype=torch.float64))})
    with pytest.raises(InputError, match="fc exceeds float32"):
        save_dense(huge, tmp_path / "huge.safetensors")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write"):
        save_adapter(low_rank_update(), tmp_path / "file")


# --- scaling, ranks, keys ---------------------------------------------------------------------


def test_scaling_follows_alpha_rank_and_patterns(folder: Path) -> None:
    plain = load(folder)
    configure(folder, lora_alpha=12)
    torch.testing.assert_close(load(folder).sites["blocks.2.mlp.fc1"].dense(), 4 * dense_fc1(plain))
    configure(folder, use_rslora=True)
    expected = 12 / math.sqrt(3) * dense_fc1(plain)
    torch.testing.assert_close(load(folder).sites["blocks.2.mlp.fc1"].dense(), expected)
    configure(folder, alpha_pattern={r"blocks\.2\..*": 6, "fc1": 30}, use_rslora=False)
    torch.testing.assert_close(load(folder).sites["blocks.2.mlp.fc1"].dense(), 2 * dense_fc1(plain))


def dense_fc1(update: Update) -> Tensor:
    return update.sites["blocks.2.mlp.fc1"].dense()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32(folder: Path, dtype: torch.dtype) -> None:
    change_weights(folder, lambda t: t.update({key: value.to(dtype) for key, value in t.items()}))
    loaded = load(folder)
    for site, change in low_rank_update().sites.items():
        assert loaded.sites[site].dtype == torch.float32
        for ours, theirs in zip(loaded.sites[site].tensors, change.tensors, strict=True):
            assert torch.equal(ours, theirs.to(dtype).float())


def test_keys_with_adapter_name_and_without_prefix_are_understood(folder: Path) -> None:
    before = load(folder).sha256

    def rename(tensors: dict[str, Tensor]) -> None:
        for index, key in enumerate(sorted(tensors)):
            tensor = tensors.pop(key)
            if index % 2:
                key = key.replace(".weight", ".default.weight")
            tensors[key.removeprefix(PREFIX) if index % 3 else key] = tensor

    change_weights(folder, rename)
    assert load(folder).sha256 == before


@pytest.mark.parametrize(
    "targets",
    [
        {"target_modules": ["fc1"]},
        {"target_modules": r"blocks\.\d+\.mlp\.fc1"},
        {"target_modules": ["q_proj", "k_proj", "fc1"], "exclude_modules": ["q_proj", "k_proj"]},
    ],
)
def test_sites_outside_target_modules_may_be_absent(folder: Path, targets: dict[str, Any]) -> None:
    change_weights(folder, drop(lambda key: "attn" in key))
    configure(folder, **targets)
    assert list(load(folder).sites) == ["blocks.2.mlp.fc1", "blocks.10.mlp.fc1"]


def test_layers_to_transform_limits_the_promise(folder: Path) -> None:
    change_weights(folder, drop(lambda key: "blocks.2." not in key))
    configure(folder, target_modules=["q_proj", "k_proj", "fc1"], layers_to_transform=[2])
    with pytest.raises(InputError, match=r"blocks\.2\.attn"):
        load_update(folder, {f"x.{site}": shape for site, shape in SHAPES.items()}, "toy")
    configure(folder, layers_pattern="blocks")
    assert len(load(folder).sites) == 3


# --- PEFT itself ------------------------------------------------------------------------------


class Tower(nn.Module):
    """A module whose linears have the paths and shapes of `SHAPES`."""

    def __init__(self) -> None:
        super().__init__()
        for site, (m, n) in SHAPES.items():
            parent: nn.Module = self
            *path, leaf = site.split(".")
            for name in path:
                if not hasattr(parent, name):
                    parent.add_module(name, nn.Module())
                parent = parent.get_submodule(name)
            parent.add_module(leaf, nn.Linear(n, m))


@pytest.fixture(scope="module")
def peft() -> ModuleType:
    return pytest.importorskip("peft")


@pytest.mark.parametrize("ranks", [(3,), (4, 3, 2)])
def test_peft_loads_what_we_save(tmp_path: Path, peft: ModuleType, ranks: tuple[int, ...]) -> None:
    update = low_rank_update(ranks)
    save_adapter(update, tmp_path, base_model="toy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = peft.PeftModel.from_pretrained(Tower(), tmp_path)
    for site, change in update.sites.items():
        delta = model.get_submodule(f"{PREFIX}{site}").get_delta_weight("default")
        assert torch.equal(delta.detach(), change.dense())


@pytest.mark.filterwarnings("ignore:The following alpha_pattern keys")
@pytest.mark.parametrize(
    "options",
    [
        {"target_modules": "all-linear", "lora_alpha": 5},
        {"target_modules": ["q_proj", "fc1"], "use_rslora": True, "init_lora_weights": "gaussian"},
        {
            "target_modules": r".*\.(q_proj|fc1)",
            "rank_pattern": {r"blocks\.2\..*": 2, "fc1": 3, "10.attn.q_proj": 6},
            "alpha_pattern": {"roj": 1, "^blocks.2.mlp.fc1": 7, r"\d+\.mlp\.fc1": 11},
        },
        {"target_modules": ["fc1"], "layers_to_transform": [10], "layers_pattern": "blocks"},
    ],
    ids=lambda options: ",".join(options),
)
def test_we_load_what_peft_saves(tmp_path: Path, peft: ModuleType, options: dict[str, Any]) -> None:
    model = peft.get_peft_model(Tower(), peft.LoraConfig(**{"r": 4, "lora_alpha": 8} | options))
    for index, parameter in enumerate(p for p in model.parameters() if p.requires_grad):
        parameter.data = random(*parameter.shape, seed=index)
    model.save_pretrained(tmp_path)
    # PEFT sorts patterns as it saves, and the first match counts: only the file is the reference.
    model = peft.PeftModel.from_pretrained(Tower(), tmp_path)
    update = load(tmp_path)
    for site in SHAPES:
        layer = model.get_submodule(f"{PREFIX}{site}")
        assert hasattr(layer, "lora_A") == (site in update.sites)
        if site in update.sites:
            delta = layer.get_delta_weight("default").detach()
            torch.testing.assert_close(update.sites[site].dense(), delta)


# --- what is refused --------------------------------------------------------------------------


def drop(unwanted: Callable[[str], bool]) -> Callable[[dict[str, Tensor]], None]:
    def change(tensors: dict[str, Tensor]) -> None:
        for key in [key for key in tensors if unwanted(key)]:
            del tensors[key]

    return change


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


def only_a_pickle(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


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
    "another method": (option(peft_type="IA3"), "peft_type is 'IA3'"),
    "an option of the future": (option(use_sorcery=True), "unknown option 'use_sorcery'"),
    "r that is no integer": (option(r="four"), "adapter_config.json: r: "),
    "alpha that is not finite": (option(lora_alpha=math.inf), "lora_alpha: .*finite"),
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
        r"blocks\.10\.mlp\.fc1 of backbone toy is missing",
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
        r"q_proj\.lora_A has shape 3×9; backbone toy expects 3×8",
    ),
    "a wrong output width": (
        put(f"{Q}.lora_B.weight", random(7, 3)),
        r"q_proj\.lora_B has shape 7×3; backbone toy expects 8×3",
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
    "a NaN": (put(f"{Q}.lora_A.weight", NAN), r"site blocks\.2\.attn\.q_proj holds a NaN"),
    "an infinity": (
        put(f"{Q}.lora_B.weight", torch.full((8, 3), math.inf)),
        r"site blocks\.2\.attn\.q_proj holds a NaN or an inf",
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
        ({"blocks.2.mlp.fc1": random(8, 16)}, r"fc1 has shape 8×16; backbone toy expects 16×8"),
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
