"""Two processes that train together on the CPU (gloo), as `torchrun` would start them."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import debug_launcher

COUNT = 2
_SECONDS = 600


def in_two_processes(folder: Path, work: Callable[[], Any]) -> tuple[Any, ...]:
    """Return what `work` returns in each process, by rank; what it raises is raised here.

    They are copies of this process, which costs no imports, so `work` may be any closure.
    """
    debug_launcher(_save, args=(folder, work), num_processes=COUNT)
    return tuple(torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(COUNT))


def _save(folder: Path, work: Callable[[], Any]) -> None:
    signal.alarm(_SECONDS)  # ends one that waits for the other for ever
    gc.freeze()  # what was there before is not looked through by every `train`
    torch.set_num_threads(1)  # threads are not copied, and waiting for them would never end
    rank = torch.distributed.get_rank()
    os.environ["LOCAL_RANK"] = os.environ["RANK"] = str(rank)
    torch.save(work(), folder / f"{rank}.pt")
