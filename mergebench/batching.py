"""Batches that become smaller when the memory of a GPU does not hold them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


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
        the rows stand for; batches are then of like length, the shortest first.
        """
        if lengths is not None:
            order = lengths.argsort(stable=True).to(rows.device)
            ordered = self.of(compute, rows[order])
            return torch.empty_like(ordered).index_copy_(0, order, ordered)
        results: list[Tensor] = []
        done = 0
        while done < len(rows) or not results:
            batch = rows[done : done + self.size]
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
