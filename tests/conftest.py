"""What tests of all rooms share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mergebench.train import record


@pytest.fixture(scope="session")
def little_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of the updates of `miniature.LITTLE`, the same one for all test processes.

    Whichever test needs one first trains it.
    """
    base = tmp_path_factory.getbasetemp()
    return (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "little_store"


@pytest.fixture(scope="session", autouse=True)
def _short_curves() -> Iterator[None]:
    """Have trainings record three scales and not 41, which take them longer than two steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "CURVE_SCALES", (0.0, 1.0, 2.0))
        yield
