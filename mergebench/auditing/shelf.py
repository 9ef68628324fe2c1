"""Tensors that are put aside: in memory as far as there is room, else in a file without a name."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import BinaryIO, cast

import torch
from torch import Tensor

IN_MEMORY = 1 << 29
"""Bytes that a shelf keeps in memory; what is put on it beyond them goes to disk."""


class Shelf:
    """Holds tensors until it is closed, and hands them out bit for bit.

    `room`: bytes in memory. The file has no name and is gone with the process, however that ends.
    """

    def __init__(self, room: int = IN_MEMORY) -> None:
        self._room = room
        self._file: BinaryIO | None = None

    def put(self, tensor: Tensor) -> Callable[[], Tensor]:
        """Take a copy of `tensor`; return what hands it out, in its dtype and on its device."""
        if tensor.nbytes <= self._room:
            self._room -= tensor.nbytes
            copy = tensor.detach().clone()
            return lambda: copy
        return self._to_file(tensor.detach())

    def close(self) -> None:
        """Let go of the file; what was put there cannot be read any more."""
        if self._file is not None:
            self._file.close()

    def _to_file(self, tensor: Tensor) -> Callable[[], Tensor]:
        if self._file is None:
            self._file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115
        file, shape, dtype, device = self._file, tensor.shape, tensor.dtype, tensor.device
        place = file.seek(0, 2)
        file.write(_bytes(tensor.cpu().contiguous()))

        def read() -> Tensor:
            found = torch.empty(shape, dtype=dtype)
            file.seek(place)
            view = _bytes(found)
            if file.readinto(view) != len(view):  # type: ignore[attr-defined]
                raise OSError("a temporary file was cut short")
            return found.to(device)

        return read


def _bytes(tensor: Tensor) -> memoryview:
    """Return the memory of a contiguous tensor on the CPU."""
    return tensor.flatten().view(torch.uint8).numpy().data
