"""Isotropic merging against dense NumPy written from the paper, and what defines it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_updates import BOTH_PRECISIONS, TOLERANCE, tasks, total
from synthetic import dense, distance, low_rank, merge
from torch import Tensor

from mergebench.errors import InputError
from mergebench.updates.update import Dense, LowRank, SiteUpdate

Matrix = NDArray[np.float64]


def iso_c(stack: Matrix, rank: int) -> Matrix:
    left, values, right = np.linalg.svd(stack.sum(axis=0), full_matrices=False)
    return values[:rank].mean() * left[:, :rank] @ right[:rank]


def iso_cts(stack: Matrix, common: float) -> Matrix:
    """Of matrices of full rank, as the public code has it."""
    smaller, count = min(stack.shape[1:]), len(stack)
    own = round((smaller - int(smaller * common)) / count)
    shared = smaller - own * count
    left, values, right = np.linalg.svd(stack.sum(axis=0), full_matrices=False)
    left, values, right = left[:, :shared], values[:shared], right[:shared]
    parts = [np.linalg.svd(one - left @ left.T @ one, full_matrices=False) for one in stack]
    columns = np.hstack([*(u[:, :own] for u, _, _ in parts), left])
    rows = np.vstack([*(v[:own] for _, _, v in parts), right])
    spectrum = np.concatenate([*(s[:own] for _, s, _ in parts), values])
    return spectrum.mean() * polar(columns) @ polar(rows)


def polar(matrix: Matrix) -> Matrix:
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return left @ right


def arrays(changes: list[LowRank] | list[Dense]) -> Matrix:
    return np.stack([change.dense().double().numpy() for change in changes])


def orthogonal_tasks(dtype: torch.dtype) -> list[LowRank]:
    left = torch.linalg.qr(dense((40, 16), 1, seed=1)[0].delta)[0].to(dtype)
    right = torch.linalg.qr(dense((48, 16), 1, seed=2)[0].delta)[0].T.to(dtype)
    return [LowRank(up=left[:, block], down=right[block]) for block in torch.arange(16).split(4)]


@BOTH_PRECISIONS
def test_iso_c_of_dense_updates(dtype: torch.dtype) -> None:
    changes = dense((14, 18), 5, dtype=dtype)
    expected = iso_c(arrays(changes), 14)
    assert distance(merge(changes, "iso_c"), torch.from_numpy(expected)) < TOLERANCE[dtype]


@BOTH_PRECISIONS
@pytest.mark.parametrize("space", ["full", "core"])
def test_iso_c_of_low_rank_updates_flattens_their_range_alone(
    dtype: torch.dtype, space: str
) -> None:
    changes = tasks(dtype)
    found = merge(changes, "iso_c", space)
    assert distance(found, torch.from_numpy(iso_c(arrays(changes), 16))) < TOLERANCE[dtype]
    values = torch.linalg.svdvals(found.double())
    sums = torch.linalg.svdvals(total(changes))
    assert distance(values[:16], sums[:16].mean().expand(16)) < TOLERANCE[dtype]
    assert values[16:].max() < TOLERANCE[dtype]


@BOTH_PRECISIONS
@pytest.mark.parametrize("name", ["iso_c", "iso_cts"])
def test_a_sum_with_a_flat_spectrum_stays(dtype: torch.dtype, name: str) -> None:
    changes = orthogonal_tasks(dtype)
    assert distance(merge(changes, name), total(changes)) < TOLERANCE[dtype]


@BOTH_PRECISIONS
def test_the_isotropic_step_on_another_rule(dtype: torch.dtype) -> None:
    changes = dense((14, 18), 3, dtype=dtype)
    merged = merge(changes, "ties").double().numpy()
    expected = iso_c(merged[None], 14)
    found = merge(changes, "iso_c", after="ties")
    assert distance(found, torch.from_numpy(expected)) < TOLERANCE[dtype]
    alone = merge(changes[:1], "iso_c", after="tsv")
    assert distance(alone, merge(changes[:1], "iso_c")) < TOLERANCE[dtype]


def test_a_rule_that_is_not_known_is_refused() -> None:
    with pytest.raises(InputError, match="unknown attack 'tys'; did you mean"):
        merge(tasks(torch.float64), "iso_c", after="tys")


@BOTH_PRECISIONS
@pytest.mark.parametrize(("common", "count"), [(0.8, 3), (0.5, 4), (0.0, 5), (1.0, 3)])
def test_iso_cts_of_dense_updates(dtype: torch.dtype, common: float, count: int) -> None:
    changes = dense((20, 26), count, dtype=dtype)
    expected = torch.from_numpy(iso_cts(arrays(changes), common))
    assert distance(merge(changes, "iso_cts", common=common), expected) < TOLERANCE[dtype]


def test_iso_cts_takes_no_more_directions_than_there_are() -> None:
    """24 / 5 is rounded to 5 for each task, which are 25: it takes 4, as of (24 - 4) / 5."""
    changes = dense((24, 30), 5)
    expected = torch.from_numpy(iso_cts(arrays(changes), 0.17))
    assert distance(merge(changes, "iso_cts", common=0.0), expected) < TOLERANCE[torch.float64]


@BOTH_PRECISIONS
def test_iso_cts_is_iso_c_where_the_common_part_covers_all(dtype: torch.dtype) -> None:
    """By its fraction; for one update; and in Full space, where 30 of 40 cover a rank of 16."""
    wide = dense((20, 26), 3, dtype=dtype)
    assert distance(merge(wide, "iso_cts", common=1.0), merge(wide, "iso_c")) < TOLERANCE[dtype]
    assert distance(merge(wide[:1], "iso_cts"), merge(wide[:1], "iso_c")) < TOLERANCE[dtype]
    changes = tasks(dtype)
    assert distance(merge(changes, "iso_cts"), merge(changes, "iso_c")) < TOLERANCE[dtype]
    assert distance(merge(changes, "iso_cts", "core"), merge(changes, "iso_c")) > 0.05


@BOTH_PRECISIONS
def test_iso_cts_in_core_space_is_that_of_the_small_matrices(dtype: torch.dtype) -> None:
    changes = low_rank(40, 48, [4] * 4, dtype=dtype)
    left = torch.linalg.svd(torch.cat([one.up.double() for one in changes], 1))[0][:, :16]
    right = torch.linalg.svd(torch.cat([one.down.double() for one in changes]))[2][:16]
    small = np.stack([(left.T @ one.dense().double() @ right.T).numpy() for one in changes])
    # K = 16: 12 common directions and one of each task.
    expected = left @ torch.from_numpy(iso_cts(small, 0.75)) @ right
    assert distance(merge(changes, "iso_cts", "core", common=0.75), expected) < TOLERANCE[dtype]


@pytest.mark.parametrize("name", ["iso_c", "iso_cts"])
@pytest.mark.parametrize("space", ["full", "core"])
def test_scale_and_order(name: str, space: str) -> None:
    changes: list[SiteUpdate] = [*tasks(torch.float64)]
    plain: Tensor = merge(changes, name, space)
    scaled = merge([change.scaled(2.5) for change in changes], name, space)
    assert distance(scaled, 2.5 * plain) < 1e-10
    assert distance(merge([changes[i] for i in (2, 0, 3, 1)], name, space), plain) < 1e-10


def test_what_is_no_matrix_is_averaged() -> None:
    changes = dense((17,), 4)
    mean = torch.stack([change.delta for change in changes]).mean(dim=0)
    for name in ("iso_c", "iso_cts"):
        assert distance(merge(changes, name), mean) < 1e-12
