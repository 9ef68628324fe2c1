"""What tells weights from others."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def state_sha256(model: nn.Module) -> str:
    """Return the SHA-256 over all names and values, the same however the file was written."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
