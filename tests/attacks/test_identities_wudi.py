"""WUDI against plain formulations of its objective, and what its minimiser does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_updates import BOTH_PRECISIONS, TOLERANCE, tasks, total
from synthetic import attack, dense, distance, low_rank, merge
from torch import Tensor

from attacks.wudi import WUDI
from mergebench.errors import InputError
from mergebench.updates.update import Dense, LowRank


def stacked(changes: list[LowRank] | list[Dense]) -> Tensor:
    return torch.stack([change.dense().double() for change in changes])


def loss(merged: Tensor, stack: Tensor) -> Tensor:
    sizes = stack.square().sum(dim=(1, 2))
    return (((merged - stack) @ stack.mT).square().sum(dim=(1, 2)) / sizes).sum()


def regmean(stack: Tensor) -> Tensor:
    """Return RegMean with `G_i = τ_iᵀτ_i / ‖τ_i‖²`, by a pseudoinverse."""
    moments = [(one.T @ one / (one**2).sum()) for one in stack.numpy()]
    products = sum(one @ moment for one, moment in zip(stack.numpy(), moments, strict=True))
    return torch.from_numpy(products @ np.linalg.pinv(sum(moments), rcond=1e-10))


@BOTH_PRECISIONS
@pytest.mark.parametrize("space", ["full", "core"])
def test_is_regmean_with_the_updates_own_moments(dtype: torch.dtype, space: str) -> None:
    changes = tasks(dtype)
    assert distance(merge(changes, "wudi", space), regmean(stacked(changes))) < TOLERANCE[dtype]


@BOTH_PRECISIONS
def test_of_dense_updates(dtype: torch.dtype) -> None:
    """Of full rank: no solution is exact, and no step improves it."""
    changes = dense((10, 14), 4, dtype=dtype)
    found = merge(changes, "wudi")
    assert distance(found, regmean(stacked(changes))) < TOLERANCE[dtype]
    point = found.double().requires_grad_()
    value = loss(point, stacked(changes))
    value.backward()
    assert float(point.grad.norm()) < 1e-4 * float(value.detach())


def test_reproduces_every_low_rank_update_on_its_own_rows() -> None:
    changes = tasks(torch.float64)
    found = merge(changes, "wudi")
    assert float(loss(found, stacked(changes))) < 1e-18 * float(
        loss(total(changes), stacked(changes))
    )
    for change in changes:
        rows = torch.linalg.qr(change.down.T)[0]
        assert distance(found @ rows, change.dense() @ rows) < 1e-9


def test_one_update_copies_scale_and_order() -> None:
    changes = tasks(torch.float64)
    assert distance(merge(changes[:1], "wudi"), changes[0].dense()) < 1e-10
    assert distance(merge(changes[:1] * 3, "wudi"), changes[0].dense()) < 1e-10
    plain = merge(changes, "wudi")
    assert distance(merge([one.scaled(2.5) for one in changes], "wudi"), 2.5 * plain) < 1e-10
    assert distance(merge([changes[i] for i in (2, 0, 3, 1)], "wudi"), plain) < 1e-10
    with_zero = [*changes, changes[0].scaled(0)]
    assert distance(merge(with_zero, "wudi"), plain) < 1e-10


@BOTH_PRECISIONS
def test_iterated_is_adam_on_the_objective(dtype: torch.dtype) -> None:
    changes = low_rank(12, 9, [3, 2, 3], dtype=dtype)
    stack = stacked(changes)
    point = stack.sum(dim=0).requires_grad_()
    optimizer = torch.optim.Adam([point], lr=1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        loss(point, stack).backward()
        optimizer.step()
    found = merge(changes, "wudi", form="iterated", steps=20, learning_rate=1e-2)
    assert distance(found, point.detach()) < TOLERANCE[dtype]
    none = merge(changes, "wudi", form="iterated", steps=0)
    assert distance(none, stack.sum(dim=0)) < TOLERANCE[dtype]
    assert not found.requires_grad


def test_many_steps_approach_the_minimum() -> None:
    changes = dense((6, 5), 3)
    found = merge(changes, "wudi", form="iterated", steps=1500, learning_rate=1e-2)
    assert distance(found, merge(changes, "wudi")) < 1e-3
    assert not attack("wudi", form="iterated").rotation_invariant


def test_what_is_no_matrix_is_averaged() -> None:
    changes = dense((17,), 4)
    mean = torch.stack([change.delta for change in changes]).mean(dim=0)
    assert distance(merge(changes, "wudi"), mean) < 1e-12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "open"}, "form is 'open'; choose from: closed, iterated"),
        ({"steps": -1}, "steps is -1; give a number from 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1"),
    ],
)
def test_wrong_options_are_refused(options, message) -> None:
    with pytest.raises(InputError, match=message):
        WUDI(**options)
