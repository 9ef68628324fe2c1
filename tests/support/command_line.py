"""The command as tests call it, and what it is called with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from miniature import FEW_IMAGES, LITTLE, PROTOCOL

from mergebench import cli
from mergebench.backbones import load_backbone
from mergebench.commands.runs import experiments
from mergebench.experiment import Setting
from mergebench.seeding import generator
from mergebench.updates.adapters import save_adapter
from mergebench.updates.update import LowRank, Update

SITE = "transformer.resblocks.0.mlp.c_fc"
A_KEY, B_KEY = (f"base_model.model.{SITE}.lora_{factor}.weight" for factor in "AB")


def random_adapter(folder: Path, shapes: dict[str, tuple[int, int]], number: int) -> Path:
    """Write a LoRA adapter of rank 4 on all sites."""
    sites = {}
    for name, (rows, columns) in shapes.items():
        draws = generator(number, "cli", name)
        up = 0.1 * torch.randn(rows, 4, generator=draws)
        sites[name] = LowRank(up=up, down=torch.randn(4, columns, generator=draws))
    save_adapter(Update(sites=sites), folder)
    return folder


def run(*words: object) -> int:
    """Return the exit status of the command."""
    return cli.main([str(word) for word in words])


def tower_shapes() -> dict[str, dict[str, tuple[int, int]]]:
    """Return the shapes of the sites of both embedded backbones."""
    return {
        name: {
            path: (site.out_features, site.in_features)
            for path, site in load_backbone(name, weights="random").sites.items()
        }
        for name in ("mini_vit", "mini_convnext")
    }


def measure_few_images(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    *,
    store: Path | None = None,
    setting: Setting = LITTLE,
) -> list[object]:
    """Let the command measure on few images; return the options of a table below `folder`.

    `store`: a folder of its own if None.
    """
    monkeypatch.setattr(experiments, "get_setting", lambda name: setting)
    monkeypatch.setattr(experiments, "get_protocol", lambda name: PROTOCOL)
    folders = ["--store", store or folder / "runs", "--results", folder / "results"]
    return ["--plugin", FEW_IMAGES, "--tasks", "mnist fashion", *folders]
