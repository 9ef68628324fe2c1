"""Regions of the weights that updates claim, each put in at the scale that it has."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from attacks.parts.consensus import pieces
from attacks.parts.sparsification import kept_count
from mergebench.contracts import Stacks


def stitched(rows: Tensor, claimed: Callable[[Tensor], Tensor]) -> Tensor:
    """Return `Σ_i m_i ⊙ τ_i / max(1, Σ_j m_j)`: what one update claims as it is, else the mean.

    `rows`: `(T, d)` float; `claimed` returns the values `m_i ⊙ τ_i` of some columns of it, a new
    `(T, c)` with zeros where nothing is claimed, and is called piece by piece (see `consensus`). A
    value that is zero is not claimed. Returns `(d,)`.
    """
    merged = []
    for part in pieces(rows):
        values = claimed(part)
        total = values.sum(dim=0)
        claims = torch.ne(values, 0, out=values).sum(dim=0).clamp_(min=1)
        merged.append(total.div_(claims))
    return torch.cat(merged)


def largest_from(stacks: Stacks, top_k: float) -> Tensor:
    """Return from which magnitude on the entries of each update are its `top_k` percent largest.

    `stacks` yields `(T, a, b)` of one site after the other, at every call alike, in float32 or
    wider, not all sites in the same. Returns `(T,)`; as many entries are counted as `top_k` percent
    are, rounded down, at least one.
    """
    return _magnitudes(stacks, lambda size: max(1, kept_count(size, top_k)))


def largest_beyond(stacks: Stacks, top_k: float) -> Tensor:
    """Return the magnitude that the `top_k` percent largest entries of each update exceed.

    `stacks` as above. Returns `(T,)`: the largest magnitude after as many as `top_k` percent are,
    rounded down, of distinct ones; 0 after all.
    """
    return _magnitudes(stacks, lambda size: kept_count(size, top_k) + 1)


def _magnitudes(stacks: Stacks, place: Callable[[int], int]) -> Tensor:
    """Return, of each update, the magnitude at a place of the descending order; 0 after the last.

    `place` returns it, from 1 on, for the number of entries. They are counted by the leading bits
    of their magnitudes, and then only those are looked at that share them with the entry sought, so
    that a site costs as much in every model.
    """
    tallies = sum((_tallies(stack) for stack in stacks()), torch.zeros((), dtype=torch.int64))
    size = int(tallies[0].sum())
    count = place(size)
    if count > size:
        return torch.zeros(len(tallies), device=tallies.device)
    from_above = tallies.flip(1).cumsum(dim=1).flip(1)
    bins = (from_above >= count).sum(dim=1) - 1
    places = count - (from_above - tallies).gather(1, bins[:, None])[:, 0]
    alike: list[list[Tensor]] = [[] for _ in bins]
    for stack in stacks():
        for own, row, leading in zip(alike, stack.flatten(start_dim=1), bins, strict=True):
            own.append(row.abs()[_leading_bits(row) == leading])
    found = zip(alike, places.tolist(), strict=True)
    return torch.stack([torch.cat(own).topk(place).values[-1] for own, place in found])


def _tallies(stack: Tensor) -> Tensor:
    """Return how many entries of each update have which leading bits, `(T, 2^16)` int64."""
    rows = stack.flatten(start_dim=1)
    return torch.stack([torch.bincount(_leading_bits(row), minlength=1 << 16) for row in rows])


def _leading_bits(row: Tensor) -> Tensor:
    """Return the 16 leading bits of magnitudes, which are in the order of the magnitudes.

    Of all dtypes those of float32, to which rounding keeps that order.
    """
    return row.abs().float().view(torch.int32) >> 15
