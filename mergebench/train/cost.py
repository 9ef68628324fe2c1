"""What training costs: time per step and memory."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch

_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


class PeakMemory:
    """The most memory that was in use at once since this was made, in bytes.

    On CUDA: what the allocator gave out. On a CPU: the resident set of the process, the libraries
    and the inputs included; where the system does not let a process forget its old peak (others
    than Linux), the peak of its whole life.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            _forget_peak()

    def bytes(self) -> int:
        """Return the peak until now."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        return _resident_peak()


def step_seconds(steps: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """Summarise `(seconds, whether it looked away from nominal scale)` of every step.

    `mean` over all steps, which is what training costs; `nominal` and `off_nominal` are medians
    over the steps of either kind, None where there was none.
    """
    return {
        "mean": fmean(seconds for seconds, _ in steps),
        "nominal": _median(seconds for seconds, looked in steps if not looked),
        "off_nominal": _median(seconds for seconds, looked in steps if looked),
    }


def _median(values: Iterable[float]) -> float | None:
    found = [*values]
    return median(found) if found else None


def _forget_peak() -> None:
    try:
        _RESET.write_text("5")
    except OSError:  # not Linux, or not allowed: the peak is then that of the process's life
        return


def _resident_peak() -> int:
    if _STATUS.is_file():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
