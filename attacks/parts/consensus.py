"""Agreement between updates, entry by entry: one sign, and the mean of those that have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from mergebench.errors import check_choice

Aggregation = Literal["mean", "sum"]

# Few enough columns that a task stack of them stays in a processor's cache; a multiple of what one
# vectorised step of a sum takes, so that the order of summation is that of the whole.
COLUMNS_AT_ONCE = 1 << 15


def pieces(rows: Tensor) -> Sequence[Tensor]:
    """Return the columns of `rows`, `(T, d)`, as parts that a CPU's cache holds; a GPU has one."""
    return rows.split(COLUMNS_AT_ONCE, dim=1) if rows.device.type == "cpu" else (rows,)


def check_aggregation(aggregation: str) -> None:
    """Raise `InputError` unless `aggregation` is one of those known."""
    check_choice("aggregation", aggregation, Aggregation)


def consensus(
    rows: Tensor, trimmed: Callable[[Tensor], Tensor], aggregation: Aggregation
) -> Tensor:
    """Elect a sign per entry and combine the trimmed values that have it: mean or sum, `(d,)`.

    `rows`: `(T, d)`; `trimmed` returns the trimmed values of some columns of it, a new `(T, c)`,
    and is called piece by piece on a CPU, so that no copy of `rows` is made. The sign of an entry
    is that of its sum over the updates. Entries whose values cancel take the sign of the majority
    of all entries, and the negative one when there is no majority. Zero has neither sign; an entry
    without any value of the elected sign is 0. Source: Yadav et al., 2023, section 3, steps 2 and
    3; zero sums as in the reference code.
    """
    if rows.device.type != "cpu":
        return _at_once(trimmed(rows), aggregation)
    size = rows.shape[1]
    merged = rows.new_empty(size)
    majority, undecided = 0, []
    for start in range(0, size, COLUMNS_AT_ONCE):
        part = slice(start, start + COLUMNS_AT_ONCE)
        values = trimmed(rows[:, part])
        total = values.sum(dim=0)
        positive = total > 0
        decided = int(total.count_nonzero())
        majority += 2 * int(positive.count_nonzero()) - decided
        merged[part] = _agreeing(values, positive, aggregation)
        if int(merged[part].count_nonzero()) > decided:
            undecided.append(part)
    if majority > 0:
        for part in undecided:
            values = trimmed(rows[:, part])
            merged[part] = _agreeing(values, values.sum(dim=0) >= 0, aggregation)
    return merged


def _at_once(values: Tensor, aggregation: Aggregation) -> Tensor:
    """Return the same in one piece, `values` `(T, d)` being trimmed, and wait for no count."""
    total = values.sum(dim=0)
    majority = total.sign().sum(dtype=torch.float64)
    positive = (total > 0) | ((total == 0) & (majority > 0))
    return _agreeing(values, positive, aggregation)


def _agreeing(values: Tensor, positive: Tensor, aggregation: Aggregation) -> Tensor:
    """Combine, entry by entry, the values whose sign is positive where `positive` `(c,)` says.

    `values`: `(T, c)`, changed in place.
    """
    signs = positive.to(values.dtype).mul_(2).sub_(1)
    # Turned to the elected sign, agreeing values are positive and the others are cut off.
    agreeing = values.mul_(signs).clamp_(min=0)
    total = agreeing.sum(dim=0)
    if aggregation == "mean":
        total /= agreeing.sign_().sum(dim=0).clamp_(min=1)
    return total.mul_(signs)
