"""Identities of TSV and CART, whose rules are about singular values; in both precisions."""

from __future__ import annotations

import pytest
import torch
from small_updates import BOTH_PRECISIONS, SPACES, TOLERANCE, mean, tasks, total
from synthetic import dense, distance, low_rank, merge

from mergebench.updates.update import Dense, LowRank

pytestmark = BOTH_PRECISIONS


# TSV


@pytest.mark.parametrize("space", SPACES)
def test_tsv_of_one_update_returns_it(dtype: torch.dtype, space: str) -> None:
    changes = tasks(dtype, count=1)
    assert distance(merge(changes, "tsv", space), total(changes)) < TOLERANCE[dtype]


def test_tsv_of_orthogonal_tasks_is_task_arithmetic(dtype: torch.dtype) -> None:
    left = torch.linalg.qr(dense((40, 16), 1, seed=1)[0].delta)[0]
    right = torch.linalg.qr(dense((48, 16), 1, seed=2)[0].delta)[0].T
    blocks = torch.arange(16).split(4)
    scales = torch.linspace(1, 2, 4, dtype=torch.float64)
    changes = [
        LowRank(up=(left[:, block] * scales).to(dtype), down=right[block].to(dtype))
        for block in blocks
    ]
    assert distance(merge(changes, "tsv"), total(changes)) < TOLERANCE[dtype]


def test_tsv_keeps_the_singular_values(dtype: torch.dtype) -> None:
    changes = tasks(dtype)
    values = torch.cat([torch.linalg.svdvals(change.dense().double())[:4] for change in changes])
    merged = torch.linalg.svdvals(merge(changes, "tsv").double())[: len(values)]
    assert distance(merged, values.sort(descending=True).values) < TOLERANCE[dtype]
    assert distance(merged.square().sum(), values.square().sum()) < TOLERANCE[dtype]


@pytest.mark.parametrize("rows", [40, 14], ids=["compact", "more factors than outputs"])
def test_rank_aware_tsv_is_the_same_in_full_and_core(dtype: torch.dtype, rows: int) -> None:
    changes = low_rank(rows, 48, [3] * 6, dtype=dtype)
    full, core = merge(changes, "tsv"), merge(changes, "tsv", "core")
    assert distance(full, core) < TOLERANCE[dtype]


def test_reference_tsv_in_full_space_depends_on_rounding(dtype: torch.dtype) -> None:
    changes = tasks(dtype)
    noise = dense((40, 48), 4, seed=9)
    noisy = [
        Dense(delta=(change.dense().double() + 1e-9 * each.delta).to(dtype).double())
        for change, each in zip(changes, noise, strict=True)
    ]
    exact = [Dense(delta=change.up.double() @ change.down.double()) for change in changes]
    reference = merge(exact, "tsv", rank_mode="reference")
    disturbed = merge(noisy, "tsv", rank_mode="reference")
    cosine = torch.cosine_similarity(reference.flatten(), disturbed.flatten(), dim=0)
    assert float(cosine) < 0.9
    assert distance(merge(exact, "tsv"), reference) > 0.1


# CART


def test_cart_of_equal_rank_is_the_same_in_full_and_core(dtype: torch.dtype) -> None:
    changes = tasks(dtype)
    # Three components of K = 40 outputs, and of K = 16 core directions.
    full = merge(changes, "cart", rank_fraction=2.5 / 40)
    core = merge(changes, "cart", "core", rank_fraction=2.5 / 16)
    assert distance(full, core) < TOLERANCE[dtype]


@pytest.mark.parametrize("space", SPACES)
def test_cart_without_truncation_or_low_rank_part_is_the_mean(
    dtype: torch.dtype, space: str
) -> None:
    changes = tasks(dtype)
    whole = merge(changes, "cart", space, rank_fraction=1.0, inner=0.7)
    bare = merge(changes, "cart", space, inner=0.0)
    assert distance(whole, mean(changes)) < TOLERANCE[dtype]
    assert distance(bare, mean(changes)) < TOLERANCE[dtype]


def test_cart_in_full_space_is_the_mean_once_the_rank_covers_all_factors(
    dtype: torch.dtype,
) -> None:
    changes = tasks(dtype)
    assert distance(merge(changes, "cart", rank_fraction=0.5), mean(changes)) < TOLERANCE[dtype]


def test_cart_of_copies_is_the_update(dtype: torch.dtype) -> None:
    update = tasks(dtype, count=1)[0]
    for space in SPACES:
        assert distance(merge([update] * 4, "cart", space), update.dense()) < TOLERANCE[dtype]
