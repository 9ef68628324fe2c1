"""Texts of different lengths are counted alike, whoever shares their batch; heads stay as made."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_encoder import tiny_encoder, token_ids, token_tasks, widened
from torch import Tensor

from mergebench.backbones import BertBackbone, Inputs, text_head
from mergebench.measure.evaluate import Evaluator, deployed
from mergebench.suites import Split, Task
from mergebench.updates.update import LowRank, Update


@pytest.fixture(scope="module")
def encoder() -> BertBackbone:
    return tiny_encoder()


@pytest.fixture(scope="module")
def tasks() -> tuple[Task, ...]:
    return token_tasks(3, texts=50)


def update_of(encoder: BertBackbone) -> Update:
    draws = torch.Generator().manual_seed(6)
    sites = {
        path: LowRank(
            up=0.3 * torch.randn(site.out_features, 2, generator=draws),
            down=torch.randn(2, site.in_features, generator=draws),
        )
        for path, site in encoder.sites.items()
    }
    return Update(sites=sites)


def in_order(task: Task, order: Tensor, columns: int = 0) -> Task:
    splits = {
        name: Split(inputs=widened(split.inputs[order], columns), labels=split.labels[order])
        for name, split in task.splits.items()
    }
    return replace(task, splits=splits)


def hits(encoder, tasks, **options) -> dict[str, Tensor]:
    with deployed(encoder, update_of(encoder)):
        return Evaluator(encoder, tasks, precision="fp32", **options).hits("test")


@pytest.mark.parametrize("batch_size", [1, 3, 16, 1000])
def test_counts_do_not_depend_on_the_size_of_a_batch(encoder, tasks, batch_size):
    expected = hits(encoder, tasks)
    assert 0.2 < torch.cat([*expected.values()]).double().mean() < 0.8
    found = hits(encoder, tasks, batch_size=batch_size)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_each_text_is_classified_as_alone(encoder, tasks):
    found = hits(encoder, tasks)
    with deployed(encoder, update_of(encoder)), torch.inference_mode():
        for task in tasks:
            head = text_head(encoder, task.classes, task.templates)
            split = task.splits["test"]
            rows = [encoder.features(row[None]) @ head.T for row in split.inputs]
            assert torch.equal(torch.cat(rows).argmax(1).eq(split.labels), found[task.name])


def test_the_order_and_the_padding_of_texts_do_not_matter(encoder, tasks):
    order = torch.randperm(50, generator=torch.Generator().manual_seed(3))
    turned = [in_order(task, order, columns=6) for task in tasks]
    expected, found = hits(encoder, tasks), hits(encoder, turned, batch_size=9)
    assert all(torch.equal(found[name], expected[name][order]) for name in expected)


def test_a_subset_and_a_race_look_at_the_same_texts(encoder, tasks):
    evaluator = Evaluator(encoder, tasks, per_task={"test": 20}, precision="fp32", batch_size=7)
    whole = evaluator.hits("test")
    assert evaluator.sizes("test") == {task.name: 20 for task in tasks}
    halves = [evaluator.hits("test", ranks) for ranks in (range(10), range(10, 20))]
    for name, own in whole.items():
        assert sum(int(half[name].sum()) for half in halves) == int(own.sum())
    assert not any(len(own) for own in evaluator.hits("test", range(20, 30)).values())


def test_heads_do_not_change_while_an_update_is_deployed(encoder, tasks):
    names, templates = ("good", "bad"), ("a {} film",)
    tokens = encoder.tokenize(["a good film"])
    before = encoder.encode_text(tokens)
    features = encoder.features(tokens)
    assert torch.equal(before, encoder.tower(encoder.prepare(tokens)))
    with deployed(encoder, update_of(encoder)):
        assert torch.equal(encoder.encode_text(tokens), before)
        assert not torch.allclose(encoder.features(tokens), features, atol=1e-2)
        during = text_head(encoder, names, templates)
    assert torch.equal(during, text_head(tiny_encoder(), names, templates))
    assert torch.equal(encoder.features(tokens), features)


def test_lengths_are_those_of_the_chosen_texts(encoder):
    parts = [token_ids(6, seed=1), token_ids(5, seed=2)]
    chosen = [torch.tensor([4, 0]), torch.tensor([3, 1, 2])]
    inputs = Inputs(parts, encoder, chosen)
    expected = torch.cat([part[rows] for part, rows in zip(parts, chosen, strict=True)])
    rows = torch.tensor([3, 0, 4])
    assert torch.equal(inputs.lengths(rows), expected[rows].ne(0).sum(1))
    assert torch.equal(inputs.of(rows), expected[rows])
    assert len(inputs) == 5
