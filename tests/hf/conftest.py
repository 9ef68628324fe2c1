"""What all tests of other people's training loops need."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(autouse=True)
def _quick_collections() -> None:
    """Let the collector, which every `Trainer.train` calls, pass over what was there before."""
    gc.freeze()
