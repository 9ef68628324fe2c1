"""Collects what the benchmarks measure and writes it where `--bench-results` says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from summary import Ledger, write


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bench-results", type=Path, default=None, metavar="DIR")


@pytest.fixture(scope="session")
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """What was measured; written at the end if all of it was."""
    kept = Ledger()
    yield kept
    folder: Path | None = request.config.getoption("--bench-results", default=None)
    if folder is not None and request.session.testsfailed == 0:
        write(kept, folder)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
