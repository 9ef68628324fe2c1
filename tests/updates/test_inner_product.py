"""The inner product of two changes of one site."""

from __future__ import annotations

import pytest
import torch
from audited import low_rank

from mergebench.updates import Dense, inner, inner_product


@pytest.mark.parametrize("at_once", [100, 1 << 22])
def test_factors_and_their_products_have_the_same(monkeypatch, at_once: int) -> None:
    monkeypatch.setattr(inner_product, "_ENTRIES_AT_ONCE", at_once)
    first, second = (low_rank(seed).sites["first"] for seed in (0, 1))
    products = [
        Dense(delta=change.up.double() @ change.down.double()) for change in (first, second)
    ]
    expected = float((products[0].delta * products[1].delta).sum())
    assert inner(first, second) == pytest.approx(expected, rel=1e-12)
    assert inner(products[0], products[1]) == pytest.approx(expected, rel=1e-12)
    assert inner(products[0], second) == pytest.approx(expected, rel=1e-5)


def test_products_and_sums_are_those_of_float64() -> None:
    """In float32 the square is 1 + 2^-22, and ones are lost beside 2^24."""
    delta = torch.tensor([1 + 2.0**-23])
    assert inner(Dense(delta=delta), Dense(delta=delta)) == (1 + 2.0**-23) ** 2
    long = Dense(delta=torch.tensor([4096.0, 1.0, 1.0, 1.0]))
    assert inner(long, long) == 2**24 + 3


def test_changes_of_other_shapes_have_none() -> None:
    with pytest.raises(ValueError, match="no inner product"):
        inner(Dense(delta=torch.ones(2, 3)), Dense(delta=torch.ones(3, 2)))
