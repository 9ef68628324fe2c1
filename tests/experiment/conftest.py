"""What tests of whole settings share."""

from __future__ import annotations

import huggingface_hub
import huggingface_hub.constants
import pytest

from mergebench.backbones.weights import hub as weights_hub
from mergebench.experiment import experiment as experiment_module


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """Keep this machine's caches, network and earlier workbenches out of every test."""

    def unreachable(*words: object, **options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(weights_hub, "ask_hub", unreachable)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    experiment_module._workbench.cache_clear()
    yield
    experiment_module._workbench.cache_clear()
