"""Where the tests of text8 keep their miniatures."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub.constants
import pytest

from mergebench.suites import SuiteOptions


@pytest.fixture(autouse=True)
def hub_cache(tmp_path, monkeypatch) -> Path:
    """Keep the hub's cache of this machine out of every test."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture
def options(tmp_path) -> SuiteOptions:
    """Options under which no data set is there yet, and a miniature is accepted."""
    return SuiteOptions(data_root=tmp_path / "data", cache=tmp_path / "cache", partial=True)
