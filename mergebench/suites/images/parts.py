"""Which images of a source make up a split, and the hash that tells them from others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch

from mergebench.suites.images.source import Indices


@dataclass(frozen=True, kw_only=True)
class Part:
    """The images of a task's split: those at `indices` of the source's split `source`, in order."""

    source: str
    indices: Indices

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.indices)


def images_digest(count: int, side: int) -> hashlib._Hash:
    """Return a digest that has become `tensor_sha256` when it was fed the images' bytes."""
    shape = (count, 3, side, side)
    return hashlib.sha256(f"{torch.uint8}{shape}".encode())
