"""Where the tests of vision8 keep their miniatures."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub.constants
import pytest
from vision8_loading import SIDE

from mergebench.suites import SuiteOptions


@pytest.fixture(autouse=True)
def hub_cache(tmp_path, monkeypatch) -> Path:
    """Keep the hub's cache of this machine out of every test."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture
def options(tmp_path) -> SuiteOptions:
    """Options under which no data set is there yet."""
    return SuiteOptions(
        data_root=tmp_path / "data", cache=tmp_path / "cache", resolution=SIDE, partial=True
    )
