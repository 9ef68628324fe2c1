"""What the documents tell a user to run does run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from repository import ROOT
from safetensors.torch import load_file, save_file

from mergebench.backbones import load_backbone


def test_a_merged_update_is_applied_as_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed, by_hand = re.findall(
        r"```python\n(.+?)```", (ROOT / "docs" / "adapters.md").read_text(), re.DOTALL
    )
    before = load_backbone("mini_vit").tower.state_dict()
    sites = load_backbone("mini_vit").sites
    draws = torch.Generator().manual_seed(0)
    change = {name: torch.randn(one.weight.shape, generator=draws) for name, one in sites.items()}
    save_file(change, tmp_path / "merged.safetensors")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(deployed, names)  # W0 again afterwards
    exec(by_hand, names)
    after = names["backbone"].tower.state_dict()
    assert load_file("merged.safetensors").keys() == sites.keys()
    for name, weight in before.items():
        added = change.get(name.removesuffix(".weight"), torch.zeros(()))
        torch.testing.assert_close(after[name], weight + added, rtol=0, atol=0)
