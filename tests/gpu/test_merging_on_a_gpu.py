"""Every attack in every space gives on a GPU what it gives on the CPU."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from training import tiny_backbone

from mergebench.backbones import Backbone, site_shapes
from mergebench.contracts import InformedMerger, Merger, Space
from mergebench.gpu_check import merge_columns
from mergebench.merging import InformedProblem, MergeProblem
from mergebench.registry import registry
from mergebench.seeding import generator
from mergebench.updates import Dense, LowRank, SiteUpdate, Update

pytestmark = pytest.mark.gpu

SHAPES = [*site_shapes("mini_vit").values()][:2]
COUNT, RANK = 4, 8
CLOSE = 1e-4
"""Relative distance: float32 sums in another order, and where magnitudes tie a few entries."""


def updates(kind: type[SiteUpdate] = LowRank) -> list[Update]:
    """Return random updates, float32, of the sites of one block of `mini_vit`."""
    made = []
    for number in range(COUNT):
        draws = generator(0, "updates", number)
        factors = [
            (torch.randn(m, RANK, generator=draws), torch.randn(RANK, n, generator=draws))
            for m, n in SHAPES
        ]
        changes = [
            LowRank(up=up, down=down) if kind is LowRank else Dense(delta=up @ down)
            for up, down in factors
        ]
        sites = {f"blocks.{place}": change for place, change in enumerate(changes)}
        made.append(Update(sites=sites, label=f"update {number}"))
    return made


def backbone_on(device: torch.device | str) -> Backbone:
    backbone = tiny_backbone()
    backbone.model.to(device)
    return backbone


def full_updates() -> list[Update]:
    """Return random updates of every trained parameter of `mini_vit`."""
    made = []
    for number in range(2):
        draws = generator(0, "full updates", number)
        sites = {
            name: Dense(delta=0.02 * torch.randn(weight.shape, generator=draws))
            for name, weight in backbone_on("cpu").tensors.items()
        }
        made.append(Update(sites=sites, label=f"update {number}"))
    return made


def moved(updates: list[Update], device: torch.device) -> list[Update]:
    return [update.to(device) for update in updates]


def assert_close(found: Update, expected: Update, device: torch.device) -> None:
    assert tuple(found.sites) == tuple(expected.sites)
    for site, change in found.sites.items():
        assert change.device.type == device.type
        there, here = change.dense().cpu().double(), expected.sites[site].dense().double()
        assert float((there - here).norm()) <= CLOSE * float(here.norm()), site


def structural_points(merger: Merger) -> list[dict[str, float]]:
    """Return the defaults, and the last value of every hyper-parameter that is searched."""
    return [{}, *({name: values[-1]} for name, values in merger.searched.items())]


@pytest.mark.parametrize("column", merge_columns())
def test_merge_of_adapters(column: str, device: torch.device) -> None:
    attack, _, space = column.partition("@")
    where, merger = registry().get(Space, space)(), registry().get(Merger, attack)()
    there, here = (MergeProblem(moved(updates(), one), space=where) for one in (device, "cpu"))
    for options in structural_points(merger):
        rule = merger.with_options(**options)
        assert_close(there.merge(rule), here.merge(rule), device)


@pytest.mark.parametrize("attack", sorted({name.partition("@")[0] for name in merge_columns()}))
def test_merge_of_dense_updates(attack: str, device: torch.device) -> None:
    where, rule = registry().get(Space, "full")(), registry().get(Merger, attack)()
    there, here = (
        MergeProblem(moved(updates(Dense), one), space=where, coefficients=[1.0, 0.5, 2.0, 1.0])
        for one in (device, "cpu")
    )
    assert_close(there.merge(rule), here.merge(rule), device)


@pytest.mark.parametrize("attack", [one.plugin.name for one in registry().all(InformedMerger)])
@pytest.mark.parametrize("rule", ["ta", "tsv"])
def test_merge_by_who_knows_the_protected_update(
    attack: str, rule: str, device: torch.device
) -> None:
    """Attacks that look at W0 get updates of every weight of it."""
    merger = registry().get(InformedMerger, attack)(rule=registry().get(Merger, rule)())
    where = registry().get(Space, "full")()
    given = full_updates() if "realign" in attack else updates()
    there, here = (
        InformedProblem(
            moved(given, one), place=1, space=where, base=partial(backbone_on, one)
        ).path(merger)
        for one in (device, "cpu")
    )
    assert_close(there.direction, here.direction, device)
    assert (there.fixed is None) == (here.fixed is None)
    if there.fixed is not None and here.fixed is not None:
        assert_close(there.fixed, here.fixed, device)
