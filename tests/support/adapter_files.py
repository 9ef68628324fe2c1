"""Adapters of a toy model on disk, and how tests change them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mergebench.updates.adapters import load_update
from mergebench.updates.update import LowRank, Update

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


def drop(unwanted: Callable[[str], bool]) -> Callable[[dict[str, Tensor]], None]:
    def change(tensors: dict[str, Tensor]) -> None:
        for key in [key for key in tensors if unwanted(key)]:
            del tensors[key]

    return change
