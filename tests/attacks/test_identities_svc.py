"""SVC against dense NumPy written from its formula, and what defines it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_updates import BOTH_PRECISIONS, TOLERANCE, mean, tasks, total
from synthetic import attack, dense, distance, low_rank, merge, problem

from attacks.svc import SVC
from mergebench.contracts import Site
from mergebench.errors import InputError
from mergebench.measure.cell_warnings import degenerate_bases
from mergebench.updates.update import Dense, LowRank

Matrix = NDArray[np.float64]


def svc(stack: Matrix, merged: Matrix, floor: float, rank: int) -> Matrix:
    """Return the calibrated merge, one direction and one update after the other."""
    left, values, right = np.linalg.svd(merged, full_matrices=False)
    result = np.zeros_like(merged)
    for r in range(rank):
        u, v = left[:, r], right[r]
        shares = []
        for update in stack:
            along = u @ update
            shares.append((u @ merged) @ along / (along @ along))
        factor = len(stack) / sum(max(floor, share) for share in shares)
        result += factor * values[r] * np.outer(u, v)
    return result


def arrays(changes: list[LowRank] | list[Dense]) -> Matrix:
    return np.stack([change.dense().double().numpy() for change in changes])


@BOTH_PRECISIONS
@pytest.mark.parametrize(("rule", "floor"), [("ta", 1 / 5), ("tsv", 1.0), ("ties", 1 / 5)])
def test_dense_updates(dtype: torch.dtype, rule: str, floor: float) -> None:
    changes = dense((10, 14), 5, dtype=dtype)
    merged = merge(changes, rule).double().numpy()
    expected = torch.from_numpy(svc(arrays(changes), merged, floor, 10))
    assert distance(merge(changes, "svc", after=rule), expected) < 10 * TOLERANCE[dtype]
    given = torch.from_numpy(svc(arrays(changes), merged, 0.7, 10))
    found = merge(changes, "svc", after=rule, least=0.7)
    assert distance(found, given) < 10 * TOLERANCE[dtype]


@BOTH_PRECISIONS
@pytest.mark.parametrize("space", ["full", "core"])
@pytest.mark.parametrize(("rule", "floor"), [("ta", 1 / 4), ("tsv", 1.0)])
def test_low_rank_updates(dtype: torch.dtype, rule: str, floor: float, space: str) -> None:
    """In both spaces the dense formula, over the range of the merge alone."""
    changes = tasks(dtype)
    exact = [Dense(delta=change.up.double() @ change.down.double()) for change in changes]
    merged = merge(exact, rule).numpy()
    expected = torch.from_numpy(svc(arrays(exact), merged, floor, 16))
    assert distance(merge(changes, "svc", space, after=rule), expected) < TOLERANCE[dtype]


@BOTH_PRECISIONS
def test_copies_merge_to_the_update(dtype: torch.dtype) -> None:
    """Their sum holds each of them T times."""
    changes = low_rank(12, 16, [5], dtype=dtype) * 4
    assert distance(merge(changes, "svc"), mean(changes)) < TOLERANCE[dtype]
    assert distance(merge(changes[:1], "svc"), mean(changes)) < TOLERANCE[dtype]


def test_an_update_that_has_nothing_along_a_direction_counts_with_the_floor() -> None:
    """Two updates in separate directions: γ = 2 / (1 + 1/2), whatever rounding makes of zeros."""
    first, second = torch.zeros(2, 6, 8, dtype=torch.float64)
    first[0, 0], second[1, 1] = 3.0, 2.0
    left = torch.linalg.qr(dense((6, 6), 1)[0].delta)[0]
    changes = [Dense(delta=left @ one) for one in (first, second)]
    assert distance(merge(changes, "svc"), total(changes) / 0.75) < 1e-12


def test_equal_singular_values_are_warned_of() -> None:
    rule = attack("svc", after="iso_c")
    given = problem(tasks(torch.float64))
    given.merge(rule)
    warned = [warning.detail for warning in degenerate_bases(given.notes(rule), rule.least_notes)]
    assert len(warned) == 1
    assert warned[0].startswith("smallest relative gap between singular values")
    given.merge(attack("svc"))
    assert list(degenerate_bases(given.notes(attack("svc")), SVC.smallest)) == []


def test_scale_order_and_what_is_no_matrix() -> None:
    changes = tasks(torch.float64)
    plain = merge(changes, "svc")
    assert distance(merge([one.scaled(2.5) for one in changes], "svc"), 2.5 * plain) < 1e-9
    assert distance(merge([changes[i] for i in (2, 0, 3, 1)], "svc"), plain) < 1e-9
    stack = torch.stack([one.delta.reshape(1, -1) for one in dense((17,), 3)])
    flat = attack("svc").combine(stack, Site(name="bias", shape=(1, 17), matrix=False))
    assert torch.equal(flat, stack.mean(dim=0))


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InputError, match="least is -1; give a number from 0 to 1000"):
        SVC(least=-1)
    with pytest.raises(InputError, match="unknown attack"):
        SVC(after="none")
