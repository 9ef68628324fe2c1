"""Where a tower computes: which device is chosen, in what arithmetic, and what is free there."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mergebench.errors import InputError

if TYPE_CHECKING:
    import torch

AUTO = "auto"
CHOICES = "auto | cpu | cuda | cuda:N"


def choose_device(name: str = AUTO, *, worker: int = 0) -> torch.device:
    """Return the device called `name`; `auto` is a GPU if there is one.

    Without a number, process `worker` gets GPU `worker` modulo their count. On a GPU float32 is
    then computed as such: TensorFloat-32 is turned off for products and convolutions. Raises
    `InputError` for a name that is none of `CHOICES` and for a GPU that is not there.
    """
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == AUTO and found == 0):
        return torch.device("cpu")
    numbered = re.fullmatch(r"cuda:(\d+)", name)
    if numbered is None and name not in (AUTO, "cuda"):
        raise InputError(f"--device {name}: expected {CHOICES}")
    number = int(numbered[1]) if numbered else 0
    if number >= found:
        raise InputError(
            f"--device {name}: this machine shows {found} usable GPUs to PyTorch; "
            "choose cpu, or install a PyTorch build for your GPU"
        )
    for kind in _float32_kinds():
        kind.fp32_precision = "ieee"
    return torch.device("cuda", number if numbered else worker % found)


def device_name(device: torch.device) -> str:
    """Return the model of the GPU, or of the processor."""
    if device.type != "cuda":
        return processor_name()
    import torch

    return torch.cuda.get_device_name(device)


@cache
def processor_name() -> str:
    """Return the model of the processor, or its architecture where nothing more is known.

    With the numbers of its family and model where it has them: virtual machines call several
    generations by one name, and these round differently.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    first = lines[: lines.index("")] if "" in lines else lines
    pairs = (line.partition(":") for line in first)
    known = {key.strip(): value.strip() for key, _, value in pairs}
    numbers = [f"{key.split()[-1]} {known[key]}" for key in ("cpu family", "model") if key in known]
    return ", ".join([known.get("model name", platform.machine()), *numbers])


def uses_tf32(device: torch.device) -> bool | None:
    """Return whether float32 is rounded to TensorFloat-32 somewhere; None on the CPU."""
    if device.type != "cuda":
        return None
    return any(kind.fp32_precision == "tf32" for kind in _float32_kinds())


def free_bytes(device: torch.device) -> int:
    """Return how much memory is free: the GPU's, or the machine's for the CPU."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread on the CPU: sums, and so results, are then the same everywhere."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _float32_kinds() -> tuple[Any, ...]:
    """Return PyTorch's settings of float32 products and convolutions on a GPU."""
    import torch

    backends: Any = torch.backends
    return backends.cuda.matmul, backends.cudnn.conv
