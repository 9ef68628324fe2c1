"""What tests of all rooms share.

The process that hands out the tests to others reads this file before it starts them, so what takes
seconds to import is imported in fixtures.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def _short_collections() -> None:
    """Let collections of garbage pass over what was there before the tests of a file.

    That is what most of their time goes to, and every job of an experiment asks for one.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Leave out what only a machine that loses its power would notice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def little_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of the updates of `miniature.LITTLE`, the same one for all test processes.

    Whichever test needs one first trains it.
    """
    base = tmp_path_factory.getbasetemp()
    return (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "little_store"


@pytest.fixture(scope="session", autouse=True)
def _short_curves() -> Iterator[None]:
    """Have scale curves measured at few of the 41 scales, which are most of a little experiment.

    Trainings record three; on test inputs there are those that model cards read.
    """
    from mergebench.experiment import workbench
    from mergebench.measure import OFF_NOMINAL
    from mergebench.report.model_card import SCALES
    from mergebench.train import record

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "CURVE_SCALES", (0.0, 1.0, 2.0))
        patch.setattr(workbench, "CURVE_SCALES", tuple(sorted({*SCALES, *OFF_NOMINAL})))
        yield
