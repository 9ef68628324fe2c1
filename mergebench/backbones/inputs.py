"""The inputs of several tensors as one sequence, on the device if they fit there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from mergebench.backbones.backbone import Backbone
from mergebench.device import free_bytes

DEVICE_SHARE = 0.5
"""Inputs are kept on a GPU if they take at most this share of what is free there."""

_CHUNK = 1024


class Inputs:
    """Inputs of a backbone: the rows `chosen` of each of `parts`, one after the other.

    On a GPU they are copied there once if they fit (`DEVICE_SHARE`); else, and on the CPU, they
    stay where they are, which may be a mapped file, and each request is gathered from there,
    through page-locked memory on its way to a GPU. Neither changes the values. `parts` are a
    suite's (see `Split`), alike in all but their number of rows.
    """

    def __init__(
        self,
        parts: Sequence[Tensor],
        backbone: Backbone,
        chosen: Sequence[Tensor] | None = None,
    ) -> None:
        self.device = device = backbone.device
        self._backbone = backbone
        self._parts = parts
        self._chosen = [torch.arange(len(part)) for part in parts] if chosen is None else chosen
        self._bounds = [0, *accumulate(len(rows) for rows in self._chosen)]
        self._resident: Tensor | None = None
        self._lengths = self._measured()
        if device.type != "cpu" and self._bytes() <= DEVICE_SHARE * free_bytes(device):
            self._resident = self._copied()

    def __len__(self) -> int:
        return self._bounds[-1]

    @property
    def resident(self) -> bool:
        """Whether all inputs are on the device."""
        return self._resident is not None or self.device.type == "cpu"

    def of(self, rows: Tensor | slice) -> Tensor:
        """Return these inputs on the device; `rows`: `(n,)` indices, on any device, or a slice."""
        if self._resident is not None:
            return self._resident[rows]
        indices = torch.arange(len(self))[rows] if isinstance(rows, slice) else rows.cpu()
        return self._gathered(indices).to(self.device, non_blocking=True)

    def lengths(self, rows: Tensor) -> Tensor | None:
        """Return the lengths of these inputs, `(n,)` int64 on the CPU; None if all cost alike."""
        return None if self._lengths is None else self._lengths[rows.cpu()]

    def _gathered(self, indices: Tensor) -> Tensor:
        shape = (len(indices), *self._parts[0].shape[1:])
        gathered = torch.empty(
            shape, dtype=self._parts[0].dtype, pin_memory=self.device.type == "cuda"
        )
        for part, chosen, (start, stop) in zip(
            self._parts, self._chosen, pairwise(self._bounds), strict=True
        ):
            own = (indices >= start) & (indices < stop)
            if own.any():
                gathered[own] = part[chosen[indices[own] - start]]
        return gathered

    def _copied(self) -> Tensor | None:
        """Return all inputs on the device; None if another process took the memory meanwhile."""
        try:
            shape = (len(self), *self._parts[0].shape[1:])
            resident = torch.empty(shape, dtype=self._parts[0].dtype, device=self.device)
        except torch.OutOfMemoryError:
            return None
        for rows in torch.arange(len(self)).split(_CHUNK):
            resident[int(rows[0]) : int(rows[-1]) + 1] = self._gathered(rows).to(self.device)
        return resident

    def _bytes(self) -> int:
        return sum(
            len(rows) * part[0].nbytes
            for part, rows in zip(self._parts, self._chosen, strict=True)
            if len(rows)
        )

    def _measured(self) -> Tensor | None:
        found = []
        for part, rows in zip(self._parts, self._chosen, strict=True):
            lengths = self._backbone.lengths(part)
            if lengths is None:
                return None
            found.append(lengths[rows])
        return torch.cat(found)
