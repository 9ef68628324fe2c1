"""Synthetic peers: the adapter's sites, norms and spectra, and nothing else of it."""

from __future__ import annotations

import pytest
import torch
from audited import SHAPES, low_rank
from small_tower import full_updates

from mergebench.auditing.synthetic import synthetic_peer
from mergebench.updates import Dense, LowRank, Update, inner


@pytest.mark.parametrize("rank", [2, 35], ids=["low", "above what the smaller site has"])
def test_spectra_and_kinds_are_kept(rank):
    like = low_rank(0, rank)
    peer = synthetic_peer(like, 1)
    assert [*peer.sites] == [*like.sites]
    for site in SHAPES:
        mine, theirs = peer.sites[site], like.sites[site]
        assert isinstance(mine, LowRank)
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        values = torch.linalg.svdvals(theirs.dense().double())
        assert torch.allclose(torch.linalg.svdvals(mine.dense().double()), values, atol=1e-6)


def test_changes_of_any_shape_keep_their_norm():
    (like,) = full_updates(1)
    peer = synthetic_peer(like, 1)
    assert {len(one.shape) for one in like.sites.values()} >= {1, 2, 4}
    for site, change in like.sites.items():
        assert peer.sites[site].shape == change.shape
        assert peer.sites[site].squared_norm() == pytest.approx(change.squared_norm(), rel=1e-5)


def test_draws_depend_on_number_and_seed_alone():
    like = low_rank(0)
    first = synthetic_peer(like, 1)
    assert first.sha256 == synthetic_peer(like, 1).sha256
    others = [synthetic_peer(like, 2), synthetic_peer(like, 1, seed=1)]
    assert len({first.sha256, *(one.sha256 for one in others)}) == 3


def test_they_point_nowhere_in_particular():
    like = Update(sites={"large": Dense(delta=torch.randn(60, 80))})
    peers = [synthetic_peer(like, number).sites["large"] for number in range(4)]
    for one in peers:
        assert abs(inner(one, like.sites["large"])) < 0.06 * like.sites["large"].squared_norm()
