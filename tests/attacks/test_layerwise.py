"""RegMean and Chain of Merges against float64 NumPy, and the identities that define them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from regression_in_numpy import NumpyTower
from small_tower import (
    GROUPS,
    LAYERS,
    SITES,
    full_updates,
    linear_inputs,
    low_rank_updates,
    parameters,
    small_backbone,
    tasks_of,
)
from synthetic import distance
from training import assert_unchanged, tiny_backbone, weights_of

from attacks.chain_of_merges import ChainOfMerges
from attacks.parts.grams import MeanProduct
from attacks.parts.tower_walk import Walk
from attacks.regmean import RegMean
from mergebench.contracts import DataMerger, MergeData
from mergebench.errors import InputError
from mergebench.suites import Task
from mergebench.updates.update import Dense, Update

BLOCKS = [f"transformer.resblocks.{number}" for number in range(LAYERS)]
FIRST = "transformer.resblocks.0.mlp.c_fc"
"""A linear whose inputs are the same in every expert if nothing else is changed."""
EXACT = {"ridge": 1e-10}


def given(updates: Sequence[Update], tasks: Sequence[Task] | None = None) -> MergeData:
    tasks = tasks or tasks_of(len(updates))
    return MergeData(backbone=small_backbone(), updates=tuple(updates), tasks=tuple(tasks), seed=0)


def merged(attack: DataMerger, updates: Sequence[Update], tasks=None) -> Update:
    return attack.merge(given(updates, tasks))


def apart(found: Update, expected: Update) -> float:
    assert found.sites.keys() == expected.sites.keys()
    return max(
        distance(found.sites[site].dense(), expected.sites[site].dense()) for site in found.sites
    )


CHAIN = ChainOfMerges(target="weights", weighting="none", ridge=1e-6)
ATTACKS = [
    RegMean(),
    CHAIN,
    CHAIN.with_options(target="outputs", shrink=0.8),
    CHAIN.with_options(weighting="trace", ridge=1e-2),
    ChainOfMerges(),
    CHAIN.with_options(schedule="block", shrink=0.95),
]


@pytest.mark.parametrize("make", [low_rank_updates, full_updates])
@pytest.mark.parametrize("attack", ATTACKS, ids=repr)
def test_parity_with_whole_weights_in_numpy(attack: DataMerger, make) -> None:
    updates, tasks = make(3), tasks_of(3)
    found = merged(attack, updates, tasks)
    tower = NumpyTower(
        backbone=small_backbone(), blocks=BLOCKS, groups=GROUPS, linear_inputs=linear_inputs
    )
    expected = tower.merged(attack, updates, tasks)
    for site, name in zip(found.sites, expected, strict=True):
        assert name.startswith(site)
        own = found.sites[site].dense()
        assert distance(own, torch.from_numpy(np.asarray(expected[name]))) < 1e-4, site


@pytest.mark.parametrize("attack", [RegMean(), CHAIN, ChainOfMerges()])
def test_equal_experts_merge_to_the_expert(attack: DataMerger) -> None:
    update = low_rank_updates(1)[0]
    found = merged(attack.with_options(ridge=1e-9), [update] * 3)
    assert apart(found, update) < 1e-4


@pytest.mark.parametrize("shrink", [0.0, 0.5, 1.0])
def test_on_one_linear_the_chain_is_regmean_and_both_targets_agree(shrink: float) -> None:
    updates = low_rank_updates(3, [FIRST])
    plain = merged(RegMean(shrink=shrink), updates)
    for options in ({}, {"target": "outputs"}, {"schedule": "block"}):
        assert apart(merged(CHAIN.with_options(shrink=shrink, **options), updates), plain) < 1e-6


def test_regmean_scales_with_the_updates_and_ignores_their_order() -> None:
    updates, tasks = low_rank_updates(3, [FIRST]), tasks_of(3)
    plain = merged(RegMean(), updates, tasks)
    tripled = merged(RegMean(), [update.scaled(3.0) for update in updates], tasks)
    turned = merged(RegMean(), [updates[2], *updates[:2]], [tasks[2], *tasks[:2]])
    assert apart(tripled, plain.scaled(3.0)) < 1e-6
    assert apart(turned, plain) < 1e-6
    assert apart(merged(RegMean(), [updates[2], *updates[:2]], tasks), plain) > 1e-2


def mean_of(updates: Sequence[Update]) -> Update:
    sites = {
        site: Dense(delta=torch.stack([each.sites[site].dense() for each in updates]).mean(0))
        for site in updates[0].sites
    }
    return Update(sites=sites)


def test_equal_grams_give_the_mean() -> None:
    updates = low_rank_updates(3, [FIRST])
    found = merged(RegMean(**EXACT), updates, tasks_of(1) * 3)
    assert apart(found, mean_of(updates)) < 1e-5


def test_without_off_diagonals_every_input_is_weighted_by_its_power() -> None:
    updates, tasks = low_rank_updates(3, [FIRST]), tasks_of(3)
    found = merged(RegMean(shrink=0.0, **EXACT), updates, tasks).sites[FIRST].dense()
    base = parameters(small_backbone())
    powers = torch.tensor(
        np.stack(
            [(linear_inputs(base, t.splits["train"].inputs)[FIRST] ** 2).mean(0) for t in tasks]
        )
    )
    dense = torch.stack([update.sites[FIRST].dense().double() for update in updates])
    assert distance(found, (dense * powers[:, None]).sum(0) / powers.sum(0)) < 1e-6


def test_the_size_of_a_batch_changes_nothing(monkeypatch) -> None:
    updates = low_rank_updates(2)
    whole = merged(ChainOfMerges(), updates)
    monkeypatch.setattr("attacks.parts.tower_walk._BATCH", 7)
    assert apart(merged(ChainOfMerges(), updates), whole) < 1e-4


def test_query_key_and_value_share_one_moment(monkeypatch) -> None:
    counted = []
    monkeypatch.setattr(
        "attacks.parts.layerwise.MeanProduct", lambda: counted.append(0) or MeanProduct()
    )
    merged(RegMean(), low_rank_updates(2))
    per_block = len(counted) / LAYERS / 2 / 2  # two tasks, a moment and a cross moment
    assert per_block == len(GROUPS)
    walk = Walk(small_backbone(), SITES, "fp32")
    hidden = torch.randn(1, 5, 16)
    found = [walk.groups(step, hidden) for step in walk.steps]
    assert found == [
        [tuple(f"{block}.{site}" for site in group) for group in GROUPS] for block in BLOCKS
    ]


def test_linears_of_a_convnext_are_merged_one_by_one_and_its_head_last() -> None:
    backbone = tiny_backbone("mini_convnext")
    walk = Walk(backbone, [*backbone.sites, "head.proj"], "fp32")
    stream = walk.start(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), {})
    order = []
    for step in walk.steps:
        order += walk.groups(step, stream[0])
        walk.advance(step, stream, {})
    assert order == [(site,) for site in (*backbone.sites, "head.proj")]


def test_the_shares_of_the_tasks_are_noted() -> None:
    data = given(low_rank_updates(3))
    ChainOfMerges().merge(data)
    weights, shares = (
        [data.notes[f"{what} of task {index}"] for index in range(3)]
        for what in ("weight", "share")
    )
    assert sum(weights) == pytest.approx(1)
    assert shares == pytest.approx([1 / 3] * 3)
    plain = given(low_rank_updates(3))
    CHAIN.merge(plain)
    assert plain.notes["weight of task 0"] == pytest.approx(1 / 3)
    assert plain.notes["share of task 0"] != pytest.approx(1 / 3, abs=1e-4)


def test_an_undetermined_regression_is_refused_and_leaves_the_backbone_as_it_was() -> None:
    data = given(low_rank_updates(2), tasks_of(2, images=2))
    before = weights_of(data.backbone)
    with pytest.raises(InputError, match=r"site \S+c_proj leave its regression undetermined"):
        ChainOfMerges(ridge=0.0).merge(data)
    assert_unchanged(data.backbone, before)
    assert not any(module._forward_pre_hooks for module in data.backbone.tower.modules())
    assert ChainOfMerges().merge(data).norm() > 0


@pytest.mark.parametrize("attack", [RegMean(), ChainOfMerges()], ids=repr)
def test_inputs_that_overflow_are_refused(attack: DataMerger) -> None:
    data = given([update.scaled(1e30) for update in low_rank_updates(2)])
    before = weights_of(data.backbone)
    with pytest.raises(
        InputError, match=r"site \S+: the inputs of task task 0 are all zero or not"
    ):
        attack.merge(data)
    assert_unchanged(data.backbone, before)


def test_a_linear_that_does_not_run_is_refused() -> None:
    data = given([Update(sites={"spare": Dense(delta=torch.ones(3, 4))})])
    data.backbone.tower.spare = torch.nn.Linear(4, 3)
    with pytest.raises(InputError, match="site spare: the tower has no block that runs"):
        RegMean().merge(data)


@pytest.mark.parametrize(
    ("attack", "options", "message"),
    [
        (RegMean, {"shrink": 1.5}, "shrink is 1.5; give a number from 0 to 1"),
        (RegMean, {"ridge": -1.0}, "ridge is -1.0; give a number from 0 to 1000000"),
        (ChainOfMerges, {"target": "x"}, "target is 'x'; choose from: weights, outputs"),
        (ChainOfMerges, {"weighting": "x"}, "choose from: none, inv_trace, trace"),
        (ChainOfMerges, {"schedule": "x"}, "choose from: linear, block"),
    ],
)
def test_wrong_options_are_refused(attack, options, message) -> None:
    with pytest.raises(InputError, match=message):
        attack(**options)
