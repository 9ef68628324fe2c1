"""The clock is that of the GPU that computes, whichever of them it is."""

from __future__ import annotations

import pytest
import torch

from mergebench.gpu_check.stopwatch import median_kernel_seconds

FIRST, SECOND = torch.device("cuda", 0), torch.device("cuda", 1)


class _Clocks:
    """Two GPUs that are not there: what each has computed, in milliseconds; 0 is the current one.

    A stream stands for its device.
    """

    def __init__(self) -> None:
        self.busy = {FIRST: 0.0, SECOND: 0.0}
        self.waited_for: list[torch.device] = []

    def work(self) -> None:
        self.busy[SECOND] += 250.0

    def event(self, *, enable_timing: bool) -> _Event:
        assert enable_timing
        return _Event(self)


class _Event:
    def __init__(self, clocks: _Clocks) -> None:
        self.clocks = clocks

    def record(self, stream: torch.device = FIRST) -> None:
        self.at = self.clocks.busy[stream]

    def elapsed_time(self, end: _Event) -> float:
        return end.at - self.at


def test_kernels_are_timed_on_the_gpu_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = _Clocks()
    monkeypatch.setattr(torch.cuda, "Event", clocks.event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=FIRST: device)
    monkeypatch.setattr(torch.cuda, "synchronize", clocks.waited_for.append)
    assert median_kernel_seconds(clocks.work, SECOND, rounds=3) == 0.25
    assert clocks.waited_for == [SECOND]
