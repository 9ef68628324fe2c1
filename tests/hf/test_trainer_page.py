"""The scripts of docs/trainer.md run word for word."""

from __future__ import annotations

import re

import torch
from repository import ROOT

from mergebench.updates import load_update


def test_the_scripts_of_the_page_run(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "trainer.md").read_text()
    scripts = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    assert len(scripts) == 2
    assert len([line for line in scripts[0].splitlines() if line]) <= 25
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    torch.manual_seed(0)
    names: dict[str, object] = {}
    for script in scripts:
        exec(compile(script, "docs/trainer.md", "exec"), names)
    layers = [
        f"encoder.layer.{n}.attention.self.{kind}" for n in (0, 1) for kind in ("query", "value")
    ]
    update = load_update("adapter", dict.fromkeys(layers, (32, 32)), "minilm")
    assert set(update.sites) == set(layers)
