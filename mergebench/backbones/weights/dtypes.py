"""The dtypes of weights, and which tensors beside them are none."""

from __future__ import annotations

from pathlib import Path

import torch

from mergebench.errors import InputError, shown
from mergebench.updates import HUGGINGFACE_BUFFERS

DTYPES = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
"""What weights can be stored in, by the names of safetensors."""

_NUMBERS = {
    *(name.rpartition(".")[2] for name in HUGGINGFACE_BUFFERS),
    *("input_resolution", "context_length", "vocab_size"),
}


def is_weight(file: Path, name: str, dtype: torch.dtype | None, stated: str) -> bool:
    """Return whether a tensor of `file` is a weight, not one of the numbers kept beside them.

    `dtype`: None for one that torch lacks; `stated`: what to call it. Raises InputError for a
    weight in another dtype than `DTYPES`: quantised, integer, boolean or complex.
    """
    if name.rpartition(".")[2] in _NUMBERS:
        return False
    if dtype not in DTYPES.values():
        raise InputError(
            f"{file}: {shown(name)} has dtype {stated}: give unquantised weights, in float16, "
            "bfloat16, float32 or float64"
        )
    return True
