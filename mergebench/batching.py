"""Batches that become smaller when the memory of a GPU does not hold them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_SMALLEST = 16
"""Rows that a batch of like length has where there are as many: fewer cost more than padding."""


class Batches:
    """Computes something of rows, batch by batch, of at most `size` rows.

    A batch that does not fit the GPU's memory is halved and computed again, and so are all after
    it; a single row that does not fit raises PyTorch's error. Results are those of any other size
    up to the rounding of the device's kernels.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def of(
        self,
        compute: Callable[[Tensor], Tensor],
        rows: Tensor,
        lengths: Tensor | None = None,
    ) -> Tensor:
        """Return `compute` of all `rows`, `(N,)` indices, in their order: `(N, ...)`.

        `compute` takes part of the rows and returns one result per row. `lengths`: `(N,)`, of what
        the rows stand for; batches are then of like length, the shortest first, and smaller where
        it would differ by more than an eighth.
        """
        if lengths is None:
            return self._of(compute, rows, [])
        order = lengths.argsort(stable=True)
        place = order.to(rows.device)
        ordered = self._of(compute, rows[place], lengths[order].tolist())
        return torch.empty_like(ordered).index_copy_(0, place.to(ordered.device), ordered)

    def _of(
        self, compute: Callable[[Tensor], Tensor], rows: Tensor, lengths: Sequence[int]
    ) -> Tensor:
        """Return `compute` of all rows; `lengths`, ascending, of each, or none."""
        results: list[Tensor] = []
        done = 0
        while done < len(rows) or not results:
            batch = rows[done : self._end(done, lengths)]
            try:
                results.append(compute(batch))
            except torch.OutOfMemoryError:
                if len(batch) <= 1:
                    raise
                self.size = len(batch) // 2
            else:
                done += len(batch)
                continue
            torch.cuda.empty_cache()  # outside the handler, whose traceback holds the tensors
        return torch.cat(results)

    def _end(self, start: int, lengths: Sequence[int]) -> int:
        """Return where a batch from `start` ends."""
        end = start + self.size
        if start >= len(lengths):
            return end
        alike = bisect_right(lengths, lengths[start] * 9 // 8, start, min(end, len(lengths)))
        return min(end, max(alike, start + _SMALLEST))
