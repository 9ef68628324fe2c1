"""Making updates sparse: trimming by magnitude, dropping at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from mergebench.contracts import Site
from mergebench.errors import InputError

TOP_K_GRID = (100.0, 90.0, 80.0, 70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 10.0)
DROP_GRID = (1e-5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)

ENTRIES_AT_ONCE = 1 << 18
"""How many entries of a stack, in whole updates but at least one, a CPU drops in one step."""


def check_top_k(top_k: float) -> None:
    """Raise `InputError` unless `top_k` is a percentage from 1 to 100.

    A smaller one is refused because it is most likely meant as a share, as the densities of
    mergekit and PEFT are.
    """
    if 0 < top_k < 1:
        raise InputError(
            f"top_k is {top_k:g}; give a percentage: {100 * top_k:g} for a share of {top_k:g}"
        )
    if not 1 <= top_k <= 100:
        raise InputError(f"top_k is {top_k:g}; give a percentage from 1 to 100")


def check_trimming(top_k: float) -> None:
    """Raise `InputError` unless `top_k` is a percentage above 1, up to 100.

    1 has two meanings: in the Trap² code, where numbers up to 1 are shares, it keeps all.
    """
    check_top_k(top_k)
    if top_k == 1:
        raise InputError(
            "top_k is 1; give a percentage above 1: 100 keeps all, as 1 does in the Trap² code"
        )


def check_drop(drop: float) -> None:
    """Raise `InputError` unless `drop` lies in [0, 1)."""
    if not 0 <= drop < 1:
        raise InputError(f"drop is {drop}; give a probability from 0 to below 1")


def kept_count(size: int, top_k: float) -> int:
    """Return how many of `size` entries `top_k` percent are, rounded down."""
    return int(size * (top_k / 100))


def trim_thresholds(rows: Tensor, top_ks: Sequence[float]) -> Tensor:
    """Return the magnitude from which entries are kept, for each percentage and row.

    `rows`: `(T, d)`. Returns `(len(top_ks), T)` of the same dtype: the `(d - k)`-th smallest
    magnitude of the row, counted from 1, with `k` the kept count, and 0 where everything is kept.
    """
    return count_thresholds(rows, [kept_count(rows.shape[1], top_k) for top_k in top_ks])


def count_thresholds(rows: Tensor, counts: Sequence[int]) -> Tensor:
    """Return the magnitude that as many entries of a row exceed, for each count and row.

    `rows`: `(T, d)`, whose magnitudes are distinct; of equal ones fewer exceed it. Returns
    `(len(counts), T)` of the same dtype: the `(d - count)`-th smallest magnitude, counted from 1,
    and 0 for a count of `d`.
    """
    dropped = [rows.shape[1] - count for count in counts]
    places = [max(0, number - 1) for number in dropped]
    thresholds = torch.stack([_at_places(row.abs(), places) for row in rows], dim=1)
    for number, own in zip(dropped, thresholds, strict=True):
        if number == 0:
            own.zero_()
    return thresholds


class TrimThresholds:
    """The trim thresholds of one row, found as they are asked for.

    The first one is selected, which is cheaper than sorting; once a second one is asked for, the
    row is sorted for all of the grid.
    """

    def __init__(self) -> None:
        self._known: dict[float, Tensor] = {}

    def of(self, row: Tensor, top_k: float) -> Tensor:
        """Return the threshold of `row` `(d,)`, which must be the same at every call."""
        if top_k not in self._known:
            wanted = [top_k, *TOP_K_GRID] if self._known else [top_k]
            found = trim_thresholds(row[None], wanted)[:, 0]
            self._known.update(zip(wanted, found, strict=True))
        return self._known[top_k]


def remembered_thresholds(rows: Tensor, top_k: float, site: Site, *, of: str) -> Tensor:
    """Return the thresholds `(T,)` of one percentage, with little work in a search for many.

    `of` names what `rows` holds: equal names must mean equal rows at this site.
    """
    known = site.once_each(f"trim thresholds of {of}", len(rows), lambda _: TrimThresholds())
    return torch.stack([one.of(row, top_k) for one, row in zip(known, rows, strict=True)])


def trimming(thresholds: Tensor, *, inclusive: bool = True) -> Callable[[Tensor], Tensor]:
    """Return what keeps the entries of each row that reach its threshold; the others become 0.

    `thresholds`: `(T,)`, of the dtype of the rows or a wider one. It takes rows `(T, d)`, also one
    part of the columns after the other. Entries that equal the threshold are kept if `inclusive`,
    so that a row with distinct magnitudes keeps `k + 1` of them; else `k`, or fewer where
    magnitudes tie. Source: Yadav et al., 2023, section 3, step 1; counting as in the reference
    code.
    """
    # What exceeds a limit is kept: here the next number below the threshold.
    below = torch.nextafter(thresholds, torch.zeros_like(thresholds))
    limits = below if inclusive else thresholds

    def apply(rows: Tensor) -> Tensor:
        own = _rounded_down(limits, rows.dtype)
        # Hard shrinking takes numbers, for which a GPU would be waited for.
        if rows.device.type != "cpu":
            return rows.masked_fill(rows.abs() <= own[:, None], 0)
        trimmed = torch.empty_like(rows, memory_format=torch.contiguous_format)
        for row, limit, out in zip(rows, own.tolist(), trimmed, strict=True):
            torch.hardshrink(row, limit, out=out)
        return trimmed

    return apply


def _rounded_down(limits: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the largest numbers of `dtype` up to `limits`, which it exceeds where they do."""
    if limits.dtype == dtype:
        return limits
    rounded = limits.to(dtype)
    lower = torch.nextafter(rounded, torch.full_like(rounded, -torch.inf))
    return torch.where(rounded > limits, lower, rounded)


def drop_and_rescale(stack: Tensor, drop: float, site: Site) -> Tensor:
    """Set each entry to 0 with probability `drop` and divide the others by `1 - drop`.

    `stack`: `(T, a, b)`. The uniform numbers are float32, come from the site's generator of each
    task and do not depend on `drop`, so that what a larger `drop` keeps is a subset. For a `drop`
    of the grid they are drawn once for a whole search. `drop = 0` changes nothing. Source: Yu et
    al., 2024, equation 1.
    """
    if drop == 0:
        return stack
    dropped = torch.empty_like(stack)
    on_cpu = stack.device.type == "cpu"
    step = max(1, ENTRIES_AT_ONCE // stack[0].numel()) if on_cpu else len(stack)
    for start in range(0, len(stack), step):
        rows, out = stack[start : start + step], dropped[start : start + step]
        torch.mul(rows, _kept(rows, start, drop, site), out=out).div_(1 - drop)
    return dropped


def _kept(rows: Tensor, start: int, drop: float, site: Site) -> Tensor:
    """Return 1 for the entries of `rows`, those of the tasks from `start` on, that stay, else 0."""
    if drop not in DROP_GRID:
        return (_uniform(rows, start, site) > drop).to(rows)
    levels = site.once(
        f"drop levels from {start}",
        lambda: _paired(_levels(_uniform(rows, start, site))).to(rows.device),
        size=rows.numel() // 2,
    )
    level = DROP_GRID.index(drop)
    kept = rows.new_empty(2, len(levels))
    torch.gt(levels & 15, level, out=kept[0])
    torch.gt(levels >> 4, level, out=kept[1])
    return kept.flatten()[: rows.numel()].reshape(rows.shape)


def _uniform(rows: Tensor, start: int, site: Site) -> Tensor:
    generators = [site.generator("dare", start + index) for index in range(len(rows))]
    shape = rows.shape[1:]
    return torch.stack([torch.rand(shape, generator=one) for one in generators])


def _levels(uniform: Tensor) -> Tensor:
    """Return by how many values of `DROP_GRID` each number is larger, uint8 of the same shape."""
    numbers = uniform.numpy()  # compares several times faster than torch
    levels = np.zeros(numbers.shape, dtype=np.uint8)
    for drop in DROP_GRID:
        levels += numbers > np.float32(drop)
    return torch.from_numpy(levels)


def _paired(levels: Tensor) -> Tensor:
    """Return numbers below 16 two to a byte: the first half low, the second one high."""
    flat = levels.flatten()
    halves = torch.cat([flat, flat.new_zeros(len(flat) % 2)]).reshape(2, -1)
    return halves[0] | halves[1] << 4


def _at_places(values: Tensor, places: Sequence[int]) -> Tensor:
    """Return what is at these places of the ascending order of magnitudes; changes `values`."""
    if values.device.type != "cpu":
        ordered = values.sort().values
        return torch.stack([ordered[place] for place in places])
    # NumPy's vectorised sort and selection are several times faster than torch's on a CPU; where
    # many values are equal, as the zeros of what DARE dropped, selection is the slower one.
    numbers = values.numpy()
    zeros = numbers.size - int(np.count_nonzero(numbers))
    if max(places) < zeros:
        return values.new_zeros(len(places))
    if len(places) == 1 and 4 * zeros < numbers.size:
        numbers.partition(places[0])
    else:
        numbers.sort()
    return values[list(places)]
