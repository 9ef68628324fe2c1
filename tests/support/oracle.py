"""Every attack in every space in plain dense float64 NumPy, written from the papers' formulas.

Nothing here is shared with the code under test except the random numbers of DARE, which are
passed in. No low-rank structure is used: the fast forms have to agree with this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Draw = Callable[[int, tuple[int, ...]], Matrix]
Back = Callable[[Matrix], Matrix]


def merge(
    name: str,
    space: str,
    factors: Sequence[tuple[Matrix, Matrix]],
    options: dict[str, Any],
    draw: Draw,
    *,
    representatives: type = np.float64,
) -> Matrix:
    """Return the merged update of `factors` `(up, down)`.

    `representatives`: the precision to which KnOTS rounds them.
    """
    stack, back = SPACES[space](factors)
    if space == "knots":
        stack = stack.astype(representatives).astype(np.float64)
    return back(RULES[name](stack, options, draw))


# Spaces: the representatives (T, a, b), and the way back.


def full(factors: Sequence[tuple[Matrix, Matrix]]) -> tuple[Matrix, Back]:
    return np.stack([up @ down for up, down in factors]), lambda merged: merged


def knots(factors: Sequence[tuple[Matrix, Matrix]]) -> tuple[Matrix, Back]:
    updates = [up @ down for up, down in factors]
    left, values, _ = np.linalg.svd(np.hstack(updates), full_matrices=False)
    rank = max(1, int((values > 1e-5).sum()))
    left, values = left[:, :rank], values[:rank]
    inverse = np.where(values > 1e-5, 1 / np.maximum(values, 1e-5), 0.0)
    stack = np.stack([inverse[:, None] * (left.T @ update) for update in updates])
    return stack, lambda merged: left * values @ merged


def core(factors: Sequence[tuple[Matrix, Matrix]]) -> tuple[Matrix, Back]:
    left, _, _ = np.linalg.svd(np.hstack([up for up, _ in factors]), full_matrices=False)
    _, _, right = np.linalg.svd(np.vstack([down for _, down in factors]), full_matrices=False)
    stack = np.stack([(left.T @ up) @ (down @ right.T) for up, down in factors])
    return stack, lambda merged: left @ merged @ right


# Rules: (T, a, b) -> (a, b).


def ta(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    return np.sum(stack, axis=0)


def ties(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    rows = stack.reshape(len(stack), -1)
    trimmed = np.stack([trim(row, options["top_k"], options["inclusive"]) for row in rows])
    signs = np.sign(trimmed.sum(axis=0))
    signs[signs == 0] = np.sign(signs.sum())
    agreeing = np.where(signs > 0, trimmed > 0, trimmed < 0)
    total = (trimmed * agreeing).sum(axis=0)
    if options["aggregation"] == "mean":
        total = total / np.maximum(1, agreeing.sum(axis=0))
    return total.reshape(stack.shape[1:])


def trim(row: Matrix, top_k: float, inclusive: bool) -> Matrix:
    if top_k == 100:
        return row
    position = row.size - int(row.size * (top_k / 100))
    threshold = np.sort(np.abs(row))[position - 1]
    kept = np.abs(row) >= threshold if inclusive else np.abs(row) > threshold
    return row * kept


def dare(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    return dropped(stack, options, draw).sum(axis=0)


def dare_ties(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    return ties(dropped(stack, options, draw), options, draw)


def dropped(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    p = options["drop"]
    kept = [draw(task, each.shape) > np.float32(p) for task, each in enumerate(stack)]
    return stack * np.stack(kept) / (1 - p)


def tsv(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    most = int(min(stack.shape[1:]) * (1 / len(stack)))
    lefts, scales, rights = [], [], []
    for each in stack:
        left, values, right = np.linalg.svd(each, full_matrices=False)
        k = most
        if options["rank_mode"] == "signal":
            k = min(k, int((values > 1e-9 * values[0]).sum()))
        lefts.append(left[:, :k])
        scales.append(values[:k])
        rights.append(right[:k])
    return polar(np.hstack(lefts)) * np.concatenate(scales) @ polar(np.vstack(rights))


def polar(matrix: Matrix) -> Matrix:
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return left @ right


def cart(stack: Matrix, options: dict[str, Any], draw: Draw) -> Matrix:
    smaller = min(stack.shape[1:])
    if options["form"] == "trap2":
        k, scale = math.ceil(options["rank_fraction"] * smaller), options["inner"]
    else:
        k, scale = max(1, math.floor(options["rank_fraction"] * smaller)), options["lam"]
    mean = stack.mean(axis=0)
    merged = mean.copy()
    for each in stack:
        left, values, right = np.linalg.svd(each - mean, full_matrices=False)
        merged += scale * (left[:, :k] * values[:k] @ right[:k])
    return merged


SPACES = {"full": full, "knots": knots, "core": core}
RULES = {
    "ta": ta,
    "ties": ties,
    "dare": dare,
    "dare_ties": dare_ties,
    "tsv": tsv,
    "cart": cart,
}
