"""Cutting an update to the rank of an adapter."""

from __future__ import annotations

import pytest
import torch
from synthetic import dense, distance, low_rank

from mergebench.errors import InputError
from mergebench.updates import Dense, LowRank, SiteUpdate, Update, leading, relative_gap, truncated


def best(change: SiteUpdate, rank: int) -> torch.Tensor:
    left, values, right = torch.linalg.svd(change.dense().double(), full_matrices=False)
    return left[:, :rank] * values[:rank] @ right[:rank]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("rank", [1, 4])
def test_is_the_best_approximation(dtype: torch.dtype, rank: int) -> None:
    changes = {
        "wide": low_rank(20, 30, [8], dtype=dtype)[0],
        "more factors than inputs": low_rank(20, 6, [8], dtype=dtype)[0],
        "dense": dense((12, 9), 1, dtype=dtype)[0],
    }
    found = truncated(Update(sites=changes), rank, changes)
    kept = before = 0.0
    for site, change in changes.items():
        cut = found.update.sites[site]
        assert isinstance(cut, LowRank)
        assert cut.rank == rank
        assert cut.dtype == dtype
        expected = best(change, rank)
        assert distance(cut.dense(), expected) < (1e-12 if dtype == torch.float64 else 1e-5)
        orthonormal = cut.down.double() @ cut.down.double().T
        assert distance(orthonormal, torch.eye(rank)) < 1e-5, "U Σ stands in `up`"
        kept += float(expected.square().sum())
        before += change.squared_norm()
    assert found.kept == pytest.approx(kept / before, rel=1e-5)
    assert 0 < found.gap < 1


def test_what_has_no_larger_rank_stays() -> None:
    changes = {"small": low_rank(20, 30, [2])[0], "still": Dense(delta=torch.zeros(4, 5))}
    found = truncated(Update(sites=changes), 3, changes)
    assert found.update.sites["small"] is changes["small"]
    assert float(found.update.sites["still"].dense().norm()) == 0
    assert (found.kept, found.gap) == (1.0, 1.0)
    product = Dense(delta=changes["small"].dense())
    cut = truncated(Update(sites={"small": product}), 3, changes)
    assert (cut.kept, cut.gap) == (pytest.approx(1.0), 1.0)


def test_what_an_adapter_cannot_hold_is_refused() -> None:
    kernel = Update(sites={"conv": dense((4, 1, 3, 3), 1)[0]})
    with pytest.raises(InputError, match=r"conv of shape 4×1×3×3 is changed, .* leave --rank out"):
        truncated(kernel, 2, ["conv"])
    embedding = Update(sites={"positions": dense((5, 6), 1)[0]})
    with pytest.raises(InputError, match="positions of shape 5×6 is changed"):
        truncated(embedding, 2, ["fc1"])


@pytest.mark.parametrize(
    ("kept", "gap"), [(0, 1.0), (1, 0.5), (2, 0.0), (3, 1.0), (4, 0.0), (5, 1.0), (9, 1.0)]
)
def test_relative_gap(kept: int, gap: float) -> None:
    assert relative_gap(torch.tensor([2.0, 1.0, 1.0, 0.0, 0.0]), kept) == gap


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 1.0])
def test_leading_directions_are_the_fewest_that_hold_a_share(share: float) -> None:
    changes = {
        "factors": low_rank(20, 30, [8], dtype=torch.float64)[0],
        "dense": dense((12, 9), 1, dtype=torch.float64)[0],
    }
    found = leading(Update(sites=changes), share)
    kept = before = 0.0
    for site, change in changes.items():
        cut = found.update.sites[site]
        assert isinstance(cut, LowRank)
        assert distance(cut.dense(), best(change, cut.rank)) < 1e-12
        kept += cut.squared_norm()
        before += change.squared_norm()
        values = torch.linalg.svdvals(change.dense().double()).square()
        held = values.cumsum(0) / values.sum()
        assert held[cut.rank - 1] >= share - 1e-12
        assert cut.rank == 1 or held[cut.rank - 2] < share
    assert found.kept == pytest.approx(kept / before)


@pytest.mark.parametrize(
    ("share", "gap"), [(0.2, 0.0), (0.5, 0.0), (0.9, 0.5), (1.0, 1.0)], ids=str
)
def test_leading_directions_that_end_between_equal_values(share: float, gap: float) -> None:
    """Of 2, 2, 2 and 1 the first three hold 12 of 13; what is rounding of float32 is not cut."""
    values = torch.tensor([2.0, 2.0, 2.0, 1.0, 1e-9])
    found = leading(Update(sites={"site": Dense(delta=torch.diag(values))}), share)
    assert found.gap == pytest.approx(gap, abs=1e-12)


def test_what_is_no_matrix_leads_as_a_whole() -> None:
    bias = Dense(delta=torch.tensor([1.0, 2.0]))
    assert leading(Update(sites={"bias": bias}), 0.5).update.sites["bias"] is bias


def test_nothing_has_no_directions_but_one_that_is_nothing() -> None:
    nothing = leading(Update(sites={"site": Dense(delta=torch.zeros(3, 2))}), 0.5)
    assert nothing.gap == 1
    assert nothing.update.sites["site"].dense().equal(torch.zeros(3, 2))
