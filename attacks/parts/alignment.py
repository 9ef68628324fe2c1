"""Putting a rearranged checkpoint's weights back beside the pretrained ones, without any input."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from mergebench.symmetries import Pair, Units

_STEPS, _HALVINGS = 200, 20
_SMALLEST_STEP = 1e-9
_RIDGE = 1e-8


def reordered(units: Units, pretrained: Units) -> Units:
    """Return an MLP's units in the order in which they are most like the pretrained ones.

    The assignment of pretrained units to units with the largest sum of `Units.likeness`.
    """
    alike = pretrained.likeness(units)
    _, order = linear_sum_assignment(alike.numpy(), maximize=True)
    return units.ordered(torch.from_numpy(order))


def gauge_fixed(pair: Pair, pretrained: Pair) -> Pair:
    """Return the pair of the same function that is nearest to the pretrained one.

    Per head `A` minimises `‖A L - L0‖² + ‖A⁻ᵀ R - R0‖²` over invertible matrices, from
    `L0 L⁺` on, by Gauss-Newton steps `L ← (I + E) L, R ← (I + E)⁻ᵀ R`. E solves the Sylvester
    equation `(R Rᵀ) E + E (L Lᵀ) = R (R - R0)ᵀ - (L - L0) Lᵀ` and is halved while the sum rises.
    """
    current = pair.mapped(pretrained.left @ torch.linalg.pinv(pair.left))
    distance = _distance(current, pretrained)
    identity = torch.eye(pair.left.shape[1], dtype=pair.left.dtype)
    for _ in range(_STEPS):
        step = _gauss_newton(current, pretrained)
        for _ in range(_HALVINGS):
            moved = current.mapped(identity + step)
            rises = ~(_distance(moved, pretrained) <= distance)  # singular maps give no number
            if not rises.any():
                break
            step = torch.where(rises[:, None, None], step / 2, step)
        else:  # these heads are at their minimum, up to rounding
            step = torch.where(rises[:, None, None], 0, step)
            moved = current.mapped(identity + step)
        current, distance = moved, _distance(moved, pretrained)
        if float(step.abs().max()) < _SMALLEST_STEP:
            break
    return current


def matched(pair: Pair, pretrained: Pair, *, right_has_bias: bool) -> Pair:
    """Return both sides of a pair mapped to the pretrained ones, each by itself.

    Per head and side `W ← Tᵀ W`, bias alike, with `T` the least `‖Wᵀ T - W0ᵀ‖² + 1e-8 ‖T‖²`; biases
    have no part in T. The maps are not each other's inverses, so the function changes.
    Source: AGA, the public re-alignment attack (arXiv 2606.30360).
    """
    return Pair(
        left=_matched(pair.left, pretrained.left, has_bias=True),
        right=_matched(pair.right, pretrained.right, has_bias=right_has_bias),
    )


def _gauss_newton(current: Pair, pretrained: Pair) -> Tensor:
    left, right = current.left, current.right
    wanted = right @ (right - pretrained.right).mT - (left - pretrained.left) @ left.mT
    rows, row_bases = torch.linalg.eigh(right @ right.mT)
    columns, column_bases = torch.linalg.eigh(left @ left.mT)
    turned = row_bases.mT @ wanted @ column_bases
    solved = turned / (rows[:, :, None] + columns[:, None, :])
    step: Tensor = row_bases @ solved @ column_bases.mT
    return step


def _distance(pair: Pair, pretrained: Pair) -> Tensor:
    """Return the objective of each head, `(H,)`."""
    sides = (pair.left - pretrained.left, pair.right - pretrained.right)
    total: Tensor = sum((side.square().sum((1, 2)) for side in sides), torch.zeros(()))
    return total


def _matched(own: Tensor, pretrained: Tensor, *, has_bias: bool) -> Tensor:
    weights = own[..., :-1] if has_bias else own
    wanted = pretrained[..., :-1] if has_bias else pretrained
    ridge = _RIDGE * torch.eye(own.shape[1], dtype=own.dtype)
    maps = torch.linalg.solve(weights @ weights.mT + ridge, weights @ wanted.mT)
    found: Tensor = maps.mT @ own
    return found
