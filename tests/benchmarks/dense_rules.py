"""Plain dense float64 NumPy for the mergers that the oracle of the tests has not.

Written from the formulas that the rules state, at the speed that NumPy gives them: whole tensors,
no low-rank structure, nothing kept between two merges. Those of the paper are in `oracle.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import oracle
from oracle import Draw, Matrix, polar

Rule = Callable[[Matrix, dict[str, Any], Draw], Matrix]


def range_of(matrix: Matrix, largest: float | None = None) -> tuple[Matrix, Matrix, Matrix]:
    """Return the singular triples above rounding, that of `largest` where it is given."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    rank = int((values > 1e-9 * (values[0] if largest is None else largest)).sum())
    return left[:, :rank], values[:rank], right[:rank]


def iso_c(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    left, values, right = range_of(stack.sum(axis=0))
    return values.mean() * left @ right


def iso_cts(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    smaller = min(stack.shape[1:])
    own = round((smaller - int(options["common"] * smaller)) / len(stack))
    shared = smaller - own * len(stack)
    sizes = [np.linalg.norm(update, 2) for update in stack]
    left, values, right = (
        part[..., :shared] if place < 2 else part[:shared]
        for place, part in enumerate(range_of(stack.sum(axis=0)))
    )
    lefts, spectra, rights = [], [values], []
    for update, size in zip(stack, sizes, strict=True):
        u, s, v = range_of(update - left @ (left.T @ update), size)
        lefts.append(u[:, :own])
        spectra.append(s[:own])
        rights.append(v[:own])
    columns, rows = np.hstack([*lefts, left]), np.vstack([*rights, right])
    return np.concatenate(spectra).mean() * polar(columns) @ polar(rows)


def svc(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    left, values, right = range_of(stack.sum(axis=0))
    along = left.T @ stack
    products = (values[:, None] * right * along).sum(axis=2)
    shares = products / (along**2).sum(axis=2)
    factors = len(stack) / np.maximum(1 / len(stack), shares).sum(axis=0)
    return left * (factors * values) @ right


def breadcrumbs(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    merged = np.zeros_like(stack[0])
    for update in stack:
        sizes = np.abs(update)
        ascending = np.sort(sizes, axis=None)
        outliers, kept = (int(options[name] * sizes.size) for name in ("gamma", "density"))
        outliers = min(outliers, sizes.size - kept)
        lowest = ascending[sizes.size - outliers - kept]
        highest = ascending[sizes.size - outliers - 1]
        merged += update * ((sizes >= lowest) & (sizes <= highest))
    return merged


def della(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    sparse = []
    for task, update in enumerate(stack):
        ranks = np.empty_like(update)
        order = np.argsort(np.abs(update), axis=1)
        places = np.broadcast_to(np.arange(update.shape[1], dtype=np.float64), update.shape)
        np.put_along_axis(ranks, order, places / (update.shape[1] - 1), axis=1)
        kept = options["density"] - options["epsilon"] + 2 * options["epsilon"] * ranks
        sparse.append(update * (draw(task, update.shape) < kept) / kept)
    whole = {"top_k": 100.0, "inclusive": True, "aggregation": options["aggregation"]}
    return oracle.ties(np.stack(sparse), whole, draw)


def sce(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    variance = stack.var(axis=0)
    count = int(np.count_nonzero(variance) * options["select"])
    selected = stack * (variance >= np.sort(variance, axis=None)[variance.size - count])
    powers = (selected**2).mean(axis=(1, 2))
    majority = np.where(selected.sum(axis=0) >= 0, 1, -1)
    agreeing = (powers / powers.sum())[:, None, None] * (np.sign(selected) == majority)
    share = agreeing.sum(axis=0)
    return (agreeing * selected).sum(axis=0) / np.where(share > 0, share, 1)


def wudi(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    moments = [update.T @ update / (update**2).sum() for update in stack]
    products = sum(update @ moment for update, moment in zip(stack, moments, strict=True))
    return products @ np.linalg.pinv(sum(moments), rcond=1e-10, hermitian=True)


def ram(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    return stitched(stack, np.abs(stack) > options["epsilon"])


def localize_and_stitch(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    sizes = np.abs(stack)
    count = int(sizes[0].size * options["top_k"] / 100)
    smallest = np.sort(sizes.reshape(len(stack), -1), axis=1)[:, -count]
    return stitched(stack, sizes >= smallest[:, None, None])


def stitched(stack: Matrix, claimed: Matrix) -> Matrix:
    return (stack * claimed).sum(axis=0) / np.maximum(1, claimed.sum(axis=0))


def peft_svd(factors: Sequence[tuple[Matrix, Matrix]]) -> Matrix:
    left, values, right = np.linalg.svd(sum(up @ down for up, down in factors), full_matrices=False)
    rank = max(up.shape[1] for up, _ in factors)
    return left[:, :rank] * values[:rank] @ right[:rank]


def peft_linear(factors: Sequence[tuple[Matrix, Matrix]]) -> Matrix:
    ups, downs = zip(*factors, strict=True)
    merged: Matrix = sum(ups) @ sum(downs)
    return merged


RULES: Mapping[str, Rule] = {
    **oracle.RULES,
    "iso_c": iso_c,
    "iso_cts": iso_cts,
    "svc": svc,
    "breadcrumbs": breadcrumbs,
    "della": della,
    "sce": sce,
    "wudi": wudi,
    "ram": ram,
    "localize_and_stitch": localize_and_stitch,
}

OF_FACTORS: Mapping[str, Callable[[Sequence[tuple[Matrix, Matrix]]], Matrix]] = {
    "peft_svd": peft_svd,
    "peft_linear": peft_linear,
}
"""Rules that public code computes from the factors, without representatives."""
