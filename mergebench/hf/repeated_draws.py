"""A pass that takes nothing from the global random generators."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch


@contextmanager
def repeated_draws() -> Iterator[None]:
    """Put the states of all global generators back afterwards: what follows draws the same again.

    Those of PyTorch on the CPU and on every accelerator, of NumPy and of Python. So two passes, the
    first one inside, have the same dropout masks, and leave the states as one pass does.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    kind = accelerator.type if accelerator is not None else "cpu"
    python, legacy = random.getstate(), np.random.get_state()
    with ExitStack() as states:
        states.callback(random.setstate, python)
        states.callback(np.random.set_state, legacy)
        if kind == "mps":  # it has one device, and its functions take none
            states.callback(torch.mps.set_rng_state, torch.mps.get_rng_state())
        devices = [] if kind in ("cpu", "mps") else range(torch.accelerator.device_count())
        states.enter_context(
            torch.random.fork_rng(devices, device_type=kind if devices else "cuda")
        )
        yield
