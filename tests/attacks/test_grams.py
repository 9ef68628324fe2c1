"""Second moments in parts, and what a regression on them satisfies."""

from __future__ import annotations

import torch
from synthetic import distance, low_rank

from attacks.parts.grams import MeanProduct, product, shrunk, solved


def random_moments(count: int, width: int, *, spans: int | None = None) -> list[torch.Tensor]:
    """Return moments of random inputs; with `spans`, each of its own orthogonal directions."""
    draws = torch.Generator().manual_seed(4)
    basis = torch.linalg.qr(torch.randn(width, width, generator=draws, dtype=torch.float64))[0]
    found = []
    for index in range(count):
        rows = torch.randn(50, width, generator=draws, dtype=torch.float64)
        if spans is not None:
            own = basis[:, index * spans : (index + 1) * spans]
            rows = rows @ own @ own.T
        moment = MeanProduct()
        moment.add(rows, rows)
        found.append(moment.mean())
    return found


def regression_of(updates, moments, ridge: float) -> torch.Tensor:
    fitted = sum(product(one, moment) for one, moment in zip(updates, moments, strict=True))
    return solved({"fc": fitted}, sum(moments), ridge, of="fc")["fc"]


def test_normal_equations_hold() -> None:
    updates = low_rank(10, 12, [2] * 4)
    moments = [shrunk(moment, 0.5) for moment in random_moments(4, 12)]
    found = regression_of(updates, moments, ridge=0.0)
    left = [(found - one.dense()) @ moment for one, moment in zip(updates, moments, strict=True)]
    assert float(sum(left).norm()) < 1e-10 * max(float(each.norm()) for each in left)


def test_orthogonal_inputs_keep_every_update_on_its_own() -> None:
    updates, moments = low_rank(10, 12, [2] * 3), random_moments(3, 12, spans=4)
    found = regression_of(updates, moments, ridge=1e-14)
    for one, moment in zip(updates, moments, strict=True):
        assert distance(found @ moment, one.dense() @ moment) < 1e-10


def test_moments_in_parts_are_those_of_all_tokens(monkeypatch) -> None:
    monkeypatch.setattr("attacks.parts.grams._ROWS", 7)
    left, right = torch.randn(2, 50, 6, generator=torch.Generator().manual_seed(0))
    parts = MeanProduct()
    for rows in (slice(0, 20), slice(20, 21), slice(21, 50)):
        parts.add(left[rows], right[rows])
    expected = left.double().T @ right.double() / 50
    assert parts.mean().dtype == torch.float64
    assert distance(parts.mean(), expected) < 1e-14
