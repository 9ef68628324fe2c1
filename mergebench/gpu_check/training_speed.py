"""Steps per second of the one fine-tuning loop, plain and protected."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode

from mergebench.backbones import Backbone, Precision
from mergebench.experiment import Setting
from mergebench.gpu_check.budget import Deadline
from mergebench.gpu_check.record import TrainingSpeed
from mergebench.gpu_check.stopwatch import wait_for
from mergebench.progress import Silent, StepDone
from mergebench.suites import Task

_WARM_UP = 2


class _Enough(BaseException):
    """Ends a training run whose steps were timed; no fault of the run."""


class _StepClock(Silent):
    """Times the steps of one training run and ends it.

    The first steps warm up, the next one has its FLOP counted, which takes time; `steps` of those
    after it are timed, fewer where the deadline passes.
    """

    def __init__(self, device: torch.device, steps: int, deadline: Deadline) -> None:
        self.taken: list[float] = []
        self.counter = FlopCounterMode(display=False)
        self._counting = ExitStack()
        self._device, self._wanted, self._deadline = device, steps, deadline
        self._began = 0.0

    def step(self, event: StepDone) -> None:
        """Take the time since the step before, and say whether it is enough."""
        wait_for(self._device)
        now = time.perf_counter()
        if event.step == _WARM_UP:
            self._counting.enter_context(self.counter)
        elif event.step == _WARM_UP + 1:
            self._counting.close()
        elif event.step > _WARM_UP + 1:
            self.taken.append(now - self._began)
            if len(self.taken) >= self._wanted or self._deadline.passed:
                raise _Enough
        self._began = time.perf_counter()

    def stop(self) -> None:
        """Count no further, also if the run failed."""
        self._counting.close()


def training_speed(
    backbone: Backbone,
    task: Task,
    setting: Setting,
    protection: str,
    precision: Precision,
    *,
    steps: int,
    deadline: Deadline,
) -> TrainingSpeed:
    """Return how long a step of `protection` takes under the recipe of the backbone's setting."""
    device, on_gpu = backbone.device, backbone.device.type == "cuda"
    method = setting.trained_in(precision).protection(protection)
    clock = _StepClock(device, steps, deadline)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(_Enough):
        method.protect(backbone, task, seed=0, progress=clock)
    return TrainingSpeed(
        backbone=backbone.name,
        protection=protection,
        precision=precision,
        batch=setting.options(protection)["recipe"].batch_size,
        step_seconds=median(clock.taken),
        flop_per_step=clock.counter.get_total_flops(),
        peak_bytes=torch.cuda.max_memory_allocated(device) if on_gpu else None,
    )
