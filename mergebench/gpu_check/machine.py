"""Where a run takes place."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime

import torch

from mergebench.device import device_name, processor_name
from mergebench.gpu_check.record import Machine
from mergebench.measure import code_revision


def describe_machine(device: torch.device) -> Machine:
    """Return what is known of this machine and of `device`."""
    on_gpu = device.type == "cuda"
    return Machine(
        device=device_name(device),
        kind=device.type,
        processor=processor_name(),
        cores=os.cpu_count() or 1,
        memory=torch.cuda.get_device_properties(device).total_memory if on_gpu else None,
        python=platform.python_version(),
        torch=torch.__version__,
        cuda=torch.version.cuda if on_gpu else None,
        code=code_revision() or "unknown",
        date=f"{datetime.now(UTC):%Y-%m-%d}",
    )
