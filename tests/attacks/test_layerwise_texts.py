"""RegMean and Chain of Merges of a text encoder: moments are those of real tokens alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from regression_in_numpy import NumpyTower
from small_encoder import SITES, SOURCE, tiny_encoder, token_tasks, widened
from small_encoder_in_numpy import GROUPS, linear_inputs
from small_tower import parameters
from synthetic import distance

from attacks.chain_of_merges import ChainOfMerges
from attacks.parts.tower_walk import Walk
from attacks.regmean import RegMean
from mergebench.backbones import BertBackbone
from mergebench.contracts import DataMerger, MergeData
from mergebench.suites import Split, Task
from mergebench.updates.update import Dense, LowRank, Update

BLOCKS = [f"encoder.layer.{number}" for number in range(SOURCE.layers)]
CHAIN = ChainOfMerges(target="weights", weighting="none", ridge=1e-6)
ATTACKS = [
    RegMean(),
    CHAIN,
    CHAIN.with_options(target="outputs", shrink=0.8),
    ChainOfMerges(),
    CHAIN.with_options(schedule="block", shrink=0.95),
]


@pytest.fixture(scope="module")
def encoder() -> BertBackbone:
    return tiny_encoder()


def low_rank_updates(encoder: BertBackbone, sites: Sequence[str] = SITES) -> list[Update]:
    draws = torch.Generator().manual_seed(0)

    def factors(site: str) -> LowRank:
        rows, columns = encoder.tower.get_submodule(site).weight.shape
        return LowRank(
            up=0.4 * torch.randn(rows, 3, generator=draws),
            down=0.4 * torch.randn(3, columns, generator=draws),
        )

    return [
        Update(sites={site: factors(site) for site in sites}, label=f"update {index}")
        for index in range(3)
    ]


def full_updates(encoder: BertBackbone) -> list[Update]:
    """Return updates of every tensor that full fine-tuning changes."""
    draws = torch.Generator().manual_seed(1)
    return [
        Update(
            sites={
                name: Dense(delta=0.15 * torch.randn(value.shape, generator=draws))
                for name, value in encoder.tensors.items()
            },
            label=f"update {index}",
        )
        for index in range(3)
    ]


def merged(
    attack: DataMerger, encoder: BertBackbone, updates: Sequence[Update], tasks: Sequence[Task]
) -> Update:
    given = MergeData(backbone=encoder, updates=tuple(updates), tasks=tuple(tasks), seed=0)
    return attack.merge(given)


def with_inputs(task: Task, change) -> Task:
    splits = {
        name: Split(inputs=change(own.inputs), labels=own.labels)
        for name, own in task.splits.items()
    }
    return replace(task, splits=splits)


@pytest.mark.parametrize("make", [low_rank_updates, full_updates])
@pytest.mark.parametrize("attack", ATTACKS, ids=repr)
def test_parity_with_whole_weights_in_numpy(encoder, attack: DataMerger, make) -> None:
    updates, tasks = make(encoder), token_tasks(3)
    found = merged(attack, encoder, updates, tasks)
    tower = NumpyTower(backbone=encoder, blocks=BLOCKS, groups=GROUPS, linear_inputs=linear_inputs)
    expected = tower.merged(attack, updates, tasks)
    for site, name in zip(found.sites, expected, strict=True):
        assert name.startswith(site)
        own = found.sites[site].dense()
        assert distance(own, torch.from_numpy(np.asarray(expected[name]))) < 1e-4, site


def test_what_a_linear_is_given_is_the_real_tokens_of_all_texts(encoder) -> None:
    ids = widened(token_tasks(1, texts=70)[0].splits["train"].inputs, 5)
    walk = Walk(encoder, SITES, "fp32")
    stream = walk.start(ids, {})
    shortest_first = ids[ids.ne(0).sum(1).argsort(stable=True)]
    expected = linear_inputs(parameters(encoder), shortest_first)
    assert [len(batch) for batch in stream] == [32, 32, 6]
    assert stream[0].shape[1] < stream[-1].shape[1], "batches are of like length"
    for step in walk.steps:
        for site in step.linears:
            given = torch.cat([walk.inputs(step, site, hidden, {}) for hidden in stream])
            assert given.shape == expected[site].shape
            assert len(given) == int(ids.ne(0).sum())
            assert np.abs(given.double().numpy() - expected[site]).max() < 1e-5
        walk.advance(step, stream, {})


def test_linears_run_in_the_order_of_the_groups(encoder) -> None:
    walk = Walk(encoder, SITES, "fp32")
    hidden = walk.start(token_tasks(1)[0].splits["val"].inputs[:1], {})[0]
    expected = [
        [tuple(f"{block}.{site}" for site in group) for group in GROUPS] for block in BLOCKS
    ]
    assert [walk.groups(step, hidden) for step in walk.steps] == expected
    own = Walk(encoder, tuple(encoder.sites), "fp32")
    assert [own.groups(step, hidden) for step in own.steps] == [block[:2] for block in expected]


@pytest.mark.parametrize("attack", [RegMean(), ChainOfMerges(), ATTACKS[2]], ids=repr)
def test_neither_padding_nor_order_nor_batches_matter(encoder, attack, monkeypatch) -> None:
    updates, tasks = low_rank_updates(encoder, tuple(encoder.sites)), token_tasks(3)
    plain = merged(attack, encoder, updates, tasks)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    wide = [with_inputs(task, lambda ids: widened(ids, 9)) for task in tasks]
    turned = [with_inputs(task, lambda ids: ids[order]) for task in tasks]
    for changed in (wide, turned):
        assert apart(merged(attack, encoder, updates, changed), plain) < 1e-4
    monkeypatch.setattr("attacks.parts.tower_walk._BATCH", 7)
    assert apart(merged(attack, encoder, updates, tasks), plain) < 1e-4


def apart(found: Update, expected: Update) -> float:
    return max(
        distance(found.sites[site].dense(), expected.sites[site].dense()) for site in found.sites
    )
