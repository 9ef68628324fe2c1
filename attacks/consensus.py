"""Agreement between updates, entry by entry: one sign, and the mean of those that have it."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from mergebench.errors import InputError

Aggregation = Literal["mean", "sum"]

# Few enough columns that a task stack of them stays in a processor's cache; a multiple of what one
# vectorised step of a sum takes, so that the order of summation is that of the whole.
COLUMNS_AT_ONCE = 1 << 14


def check_aggregation(aggregation: str) -> None:
    """Raise `InputError` unless `aggregation` is one of those known."""
    known = get_args(Aggregation)
    if aggregation not in known:
        raise InputError(f"aggregation is {aggregation!r}; choose from: {', '.join(known)}")


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
    size = rows.shape[1]
    merged = rows.new_empty(size)
    for start in range(0, size, COLUMNS_AT_ONCE):
        part = slice(start, start + COLUMNS_AT_ONCE)
        signs = torch.where(positive[part], 1, -1).to(rows.dtype)
        # Turned to the elected sign, agreeing values are positive and the others are cut off.
        agreeing = (rows[:, part] * signs).clamp_(min=0)
        total = agreeing.sum(dim=0)
        if aggregation == "mean":
            total /= agreeing.sign_().sum(dim=0).clamp_(min=1)
        merged[part] = total * signs
    return merged
