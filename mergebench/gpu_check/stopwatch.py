"""Seconds on a device that computes while the program goes on: warmed up, and waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import torch


def wait_for(device: torch.device) -> None:
    """Return when everything that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(action: Callable[[], object], device: torch.device) -> float:
    """Return how long one call takes, until the device is done with it."""
    wait_for(device)
    start = time.perf_counter()
    action()
    wait_for(device)
    return max(time.perf_counter() - start, 1e-9)


def median_seconds(
    action: Callable[[], object], device: torch.device, *, rounds: int, warm_up: int = 1
) -> float:
    """Return the median of `rounds` calls, after `warm_up` that do not count."""
    for _ in range(warm_up):
        action()
    return median(seconds(action, device) for _ in range(rounds))


def median_kernel_seconds(
    action: Callable[[], object], device: torch.device, *, rounds: int, warm_up: int = 3
) -> float:
    """Return the median of `rounds` calls as the device's own clock has it, if it has one.

    Calls follow each other without a pause, so that the device does not wait for the program.
    """
    if device.type != "cuda":
        return median_seconds(action, device, rounds=rounds, warm_up=warm_up)
    for _ in range(warm_up):
        action()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(rounds + 1)]
    stream = torch.cuda.current_stream(device)  # not that of GPU 0, which would be idle
    marks[0].record(stream)
    for mark in marks[1:]:
        action()
        mark.record(stream)
    wait_for(device)
    milliseconds = [float(start.elapsed_time(end)) for start, end in pairwise(marks)]
    return median(milliseconds) / 1000
