"""Weights that an audit changes: as they should be, site by site, and as they were afterwards."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from audited import SHAPES, low_rank, network
from small_tower import SITES, full_updates, low_rank_updates, small_backbone
from torch import nn

from mergebench.auditing.deployment import Alone, Deployment
from mergebench.auditing.merge_by_site import MergeBySite
from mergebench.auditing.search import BLIND, INFORMED, YARDSTICKS, configured
from mergebench.auditing.shelf import Shelf
from mergebench.measure import degenerate_bases, deployed
from mergebench.merging import InformedProblem, MergeProblem, Problem
from mergebench.updates import Dense, Update

ON_DISK, IN_MEMORY = 0, 1 << 20
ROOMS = pytest.mark.parametrize("room", [ON_DISK, IN_MEMORY], ids=["on disk", "in memory"])


def weights(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: model.get_submodule(name).weight for name in SHAPES}


def copies(parameters: dict[str, nn.Parameter]) -> dict[str, torch.Tensor]:
    return {name: one.detach().clone() for name, one in parameters.items()}


@ROOMS
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_weights_are_restored_bit_for_bit(room, dtype):
    parameters = weights(network().to(dtype))
    before = copies(parameters)

    def interrupted() -> None:
        with Deployment(parameters, room=room) as deployment:
            deployment.set(Alone(low_rank(0).sites), 0.7)
            assert not any(torch.equal(parameters[name], before[name]) for name in SHAPES)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert all(torch.equal(parameters[name], before[name]) for name in SHAPES)


@ROOMS
def test_sums_of_half_precision_are_rounded_once(room):
    parameters = weights(network().to(torch.bfloat16))
    before, update = copies(parameters), low_rank(0)
    with Deployment(parameters, room=room) as deployment:
        for alpha in (3.0, 0.1):  # never from the last weights
            deployment.set(Alone(update.sites), alpha)
        for name, parameter in parameters.items():
            exact = before[name].float() + 0.1 * update.sites[name].dense()
            assert torch.equal(parameter, exact.to(torch.bfloat16))


@pytest.mark.parametrize("make", [low_rank_updates, full_updates], ids=["low-rank", "dense"])
@ROOMS
def test_it_deploys_as_tables_do(make, room):
    (update,) = make(1)
    backbone, other = small_backbone(), small_backbone()
    named = dict(backbone.tower.named_parameters())
    parameters = {
        site: named[f"{site}.weight"] if f"{site}.weight" in named else named[site]
        for site in update.sites
    }
    with Deployment(parameters, room=room) as deployment, deployed(other, update, 0.3):
        deployment.set(Alone(update.sites), 0.3)
        theirs = dict(other.tower.named_parameters())
        for name, parameter in named.items():
            assert torch.equal(parameter, theirs[name]), name


@pytest.mark.parametrize("name", [*BLIND, *INFORMED, *YARDSTICKS])
@pytest.mark.parametrize("dense", [False, True], ids=["low-rank", "dense"])
@ROOMS
def test_site_by_site_is_the_merge_of_the_whole(name, dense, room):
    updates = low_rank_updates(3, SITES[:3])
    if dense:
        updates = [_dense(one) for one in updates]
    attack, space = configured(name)
    if attack.knowledge == "informed":
        whole = InformedProblem(updates, place=0, space=space).path(attack)
    else:
        whole = MergeProblem(updates, space=space).path(attack)
    path = MergeBySite(updates, attack, space, room=room)
    for site in SITES[:3]:
        assert torch.equal(path.direction(site).dense(), whole.direction.sites[site].dense())
        fixed = path.fixed(site)
        assert (fixed is None) == (whole.fixed is None)
        if fixed is not None and whole.fixed is not None:
            assert torch.equal(fixed.dense(), whole.fixed.sites[site].dense())
    path.close()


@pytest.mark.parametrize("name", [*BLIND, *INFORMED, *YARDSTICKS])
def test_doubts_are_those_of_the_whole_merge(name):
    one, *others = low_rank_updates(4, SITES[:3])
    updates = [one, *others, others[0]]  # twice the same: which of its directions lead is rounding
    attack, space = configured(name)
    whole: Problem[Any] = (
        InformedProblem(updates, place=0, space=space)
        if attack.knowledge == "informed"
        else MergeProblem(updates, space=space)
    )
    whole.path(attack)
    path = MergeBySite(updates, attack, space)
    expected = degenerate_bases(whole.notes(attack), whole.least_notes(attack))
    assert path.doubts == tuple(one.detail for one in expected)
    assert bool(path.doubts) == ("tsv" in name)


def test_shares_of_orthogonal_updates_are_the_coefficient():
    first, second = (
        Update(sites={"first": Dense(delta=torch.eye(3)[number][:, None] * torch.ones(1, 2))})
        for number in (0, 1)
    )
    added = MergeBySite((first, second), *configured("ta@full"))
    assert added.carried(0.3) == pytest.approx([0.3, 0.3])
    held = MergeBySite((first, second), *configured("hold:ta@full"))
    assert held.carried(0.3) == pytest.approx([1, 0.3])
    left_out = MergeBySite((first, second), *configured("leave_out:ta@full"))
    assert left_out.carried(0.3) == pytest.approx([0, 0.3])


def test_a_shelf_hands_out_what_lies_beyond_its_room():
    shelf = Shelf(100)
    kept = [torch.randn(size, 5) for size in (4, 7, 3, 11)]
    views = [shelf.put(one.T) for one in kept]
    for _ in range(2):
        for one, read in zip(kept, views, strict=True):
            assert torch.equal(read(), one.T)
    shelf.close()


def _dense(update: Update) -> Update:
    sites = {site: Dense(delta=one.dense()) for site, one in update.sites.items()}
    return Update(sites=sites, label=update.label)
