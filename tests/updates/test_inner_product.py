"""The inner product of two changes of one site."""

from __future__ import annotations

import pytest
import torch
from audited import low_rank

from mergebench.updates import Dense, LowRank, Update, inner, inner_product, scale_along


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


def test_a_change_holds_what_it_is_a_multiple_of_at_that_scale() -> None:
    update, other = low_rank(0), low_rank(1)
    assert scale_along(update.scaled(0.25), update) == pytest.approx(0.25, rel=1e-6)
    along = scale_along(other, update)
    rest = {
        site: Dense(delta=other.sites[site].dense() - along * change.dense())
        for site, change in update.sites.items()
    }
    assert scale_along(Update(sites=rest, label="rest"), update) == pytest.approx(0, abs=1e-6)


def test_sites_that_a_change_lacks_are_held_at_nothing() -> None:
    whole = Update(
        sites={"a": Dense(delta=torch.ones(2, 2)), "b": Dense(delta=torch.ones(6, 2))},
        label="whole",
    )
    part = Update(sites={"a": whole.sites["a"], "c": Dense(delta=torch.ones(3))}, label="part")
    assert scale_along(part, whole) == 0.25


def test_an_update_that_is_zero_has_no_scale() -> None:
    zero = Update(sites={"a": Dense(delta=torch.zeros(2, 2))}, label="nothing")
    with pytest.raises(ValueError, match="nothing is zero"):
        scale_along(zero, zero)


def test_the_norm_of_factors_that_cancel() -> None:
    """`[b, -b] [a; a]` is zero and `[b, -b] [a; a + d]` is `b d`: sums of products round both."""
    generator = torch.Generator().manual_seed(0)
    up, down = torch.randn(30, 1, generator=generator), torch.randn(1, 40, generator=generator)
    apart = 2.0**-30 * torch.randn(1, 40, generator=generator).double()
    pairs = torch.cat([up, -up], dim=1).double()
    for difference in (torch.zeros_like(apart), apart):
        factors = LowRank(up=pairs, down=torch.cat([down, down + difference]).double())
        expected = float((up.double() @ difference).square().sum())
        assert factors.squared_norm() == pytest.approx(expected, rel=1e-6, abs=0)
