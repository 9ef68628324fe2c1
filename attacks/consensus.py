"""Agreement between updates, entry by entry: one sign, and the mean of those that have it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Aggregation = Literal["mean", "sum"]


def elect_signs(rows: Tensor) -> Tensor:
    """Return where the elected sign is positive, `(d,)` bool, for `rows` `(T, d)`.

    The sign of an entry is that of its sum over the updates. Entries whose sum is 0 take the sign
    of the majority of all entries, and the negative one when there is no majority. Source: Yadav
    et al., 2023, section 3, step 2; zero sums as in the reference code.
    """
    total = rows.sum(dim=0)
    positive = total > 0
    majority = int(positive.sum()) - int((total < 0).sum())
    if majority > 0:
        positive |= total == 0
    return positive


def disjoint_aggregate(rows: Tensor, positive: Tensor, aggregation: Aggregation) -> Tensor:
    """Combine, entry by entry, the values that have the elected sign: their mean or sum, `(d,)`.

    `rows`: `(T, d)`; `positive`: `(d,)` bool. Zero has neither sign; an entry without any value of
    the elected sign is 0. Source: Yadav et al., 2023, section 3, step 3.
    """
    agreeing = torch.where(positive, rows > 0, rows < 0)
    total = (rows * agreeing).sum(dim=0)
    if aggregation == "sum":
        return total
    return total / agreeing.sum(dim=0).clamp(min=1)
