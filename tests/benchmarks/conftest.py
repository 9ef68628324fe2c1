"""Collects what the benchmarks measure and writes it where `--bench-results` says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from ledger import Ledger
from summary import write


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bench-results", type=Path, default=None, metavar="DIR")


@pytest.fixture(scope="session")
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """What was measured; written at the end, to a folder of its own if something failed."""
    kept = Ledger()
    yield kept
    folder: Path | None = request.config.getoption("--bench-results", default=None)
    if folder is not None:
        write(kept, folder / "incomplete" if request.session.testsfailed else folder)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
