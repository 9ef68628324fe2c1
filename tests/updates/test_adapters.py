"""Updates on disk: exact round trips, and PEFT's semantics."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from adapter_files import (
    PREFIX,
    SHAPES,
    change_weights,
    configure,
    drop,
    load,
    low_rank_update,
    random,
)
from safetensors.torch import load_file
from torch import Tensor, nn

from mergebench.errors import InputError
from mergebench.updates.adapters import load_update, save_adapter, save_dense
from mergebench.updates.update import Dense, Update


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_adapter(low_rank_update(), tmp_path / "adapter")
    return tmp_path / "adapter"


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

    monkeypatch.setattr("mergebench.updates.adapters.save_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_adapter(low_rank_update((2,)), folder)
    with pytest.raises(InputError, match=r"adapter_config\.json is missing"):
        load(folder)


def test_save_refuses_what_the_format_cannot_hold(tmp_path: Path) -> None:
    dense = Update(sites={"blocks.2.mlp.fc1": Dense(delta=random(16, 8))})
    with pytest.raises(
        InputError,
        match=r"fc1 has no low-rank factors: give a LoRA adapter, or cut it with `merge --rank",
    ):
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


@pytest.mark.parametrize("name", ["default", "my_adapter"])
def test_keys_of_a_named_adapter_are_understood(folder: Path, name: str) -> None:
    before = load(folder).sha256

    def rename(tensors: dict[str, Tensor]) -> None:
        for key in list(tensors):
            tensors[key.replace(".weight", f".{name}.weight")] = tensors.pop(key)

    change_weights(folder, rename)
    assert load(folder).sha256 == before


def test_keys_of_a_tower_that_peft_was_put_on_within_a_model(folder: Path) -> None:
    before = load(folder).sha256
    configure(folder, alpha_pattern={r"^blocks\..*": 3}, lora_alpha=99)

    def rename(tensors: dict[str, Tensor]) -> None:
        for key in list(tensors):
            tensors[f"model.visual.{key}"] = tensors.pop(key)

    change_weights(folder, rename)
    assert load(folder).sha256 == before


def test_dtypes_may_differ_between_tensors(folder: Path) -> None:
    def mix(tensors: dict[str, Tensor]) -> None:
        for index, key in enumerate(sorted(tensors)):
            dtype = (torch.bfloat16, torch.float16, torch.float32)[index % 3]
            tensors[key] = tensors[key].to(dtype)

    change_weights(folder, mix)
    written = load_file(folder / "adapter_model.safetensors")
    for site, change in load(folder).sites.items():
        up, down = (written[f"{PREFIX}{site}.lora_{factor}.weight"] for factor in "BA")
        assert change.dtype == torch.float32
        assert torch.equal(change.dense(), up.float() @ down.float())


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


VELORA = {"num_groups": 2, "init_type": "random", "scale": 1.0}


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
        {"target_modules": ["fc1"], "layers_to_transform": 2, "layers_pattern": ["x", "(b)locks"]},
        {
            "target_modules": ["fc1"],
            "layers_to_transform": 2,
            "layers_pattern": ["(?P<index>blocks)"],
        },
        {"target_modules": ["q_proj", "fc1"], "alpha_pattern": {"no_such_module": 99}},
        {"target_modules": r"^(?!.*10).*(q_proj|fc1)$", "exclude_modules": r".*\.q_.*"},
        {"target_modules": ["q_proj", "fc1"], "velora_config": VELORA},
    ],
    ids=lambda options: ",".join(options),
)
def test_we_load_what_peft_saves(tmp_path: Path, peft: ModuleType, options: dict[str, Any]) -> None:
    model = peft.get_peft_model(Tower(), peft.LoraConfig(**{"r": 4, "lora_alpha": 8} | options))
    for index, parameter in enumerate(p for p in model.parameters() if p.requires_grad):
        parameter.data = random(*parameter.shape, seed=index)
    model.save_pretrained(tmp_path)
    keys = load_file(tmp_path / "adapter_model.safetensors")
    assert any("velora_embed" in key for key in keys) == ("velora_config" in options)
    # PEFT sorts patterns as it saves, and the first match counts: only the file is the reference.
    model = peft.PeftModel.from_pretrained(Tower(), tmp_path)
    update = load(tmp_path)
    for site in SHAPES:
        layer = model.get_submodule(f"{PREFIX}{site}")
        assert hasattr(layer, "lora_A") == (site in update.sites)
        if site in update.sites:
            delta = layer.get_delta_weight("default").detach()
            torch.testing.assert_close(update.sites[site].dense(), delta)
