"""The device that is held against the CPU; `make gpu-check` names it.

`--gpu-device cpu` holds the CPU against itself, `--gpu-device pretended` against one whose tensors
must not meet the CPU's, which shows what would fail on a GPU for that reason.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from pretended_gpu import pretended_gpu

from mergebench.device import choose_device


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--gpu-device", default="cuda", metavar="DEVICE")


def asked_for(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--gpu-device", default="cuda"))


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """The device that was asked for, or a skipped test where there is no GPU."""
    name = asked_for(request)
    if name == "pretended":
        with pretended_gpu() as pretended:
            yield pretended
        return
    if name != "cpu" and not torch.cuda.is_available():
        pytest.skip("no GPU: --gpu-device cpu runs these tests on the CPU")
    yield choose_device(name)


@pytest.fixture
def gpu(request: pytest.FixtureRequest, device: torch.device) -> torch.device:
    """The device, or a skipped test where it is no GPU."""
    if device.type != "cuda" or asked_for(request) == "pretended":
        pytest.skip("its memory cannot be limited")
    return device
