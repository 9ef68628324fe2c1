"""ProDistill of a text encoder: padding is no token, neither in its streams nor in its loss."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from few_updates import random_update
from small_encoder import tiny_encoder, token_tasks
from torch import Tensor
from torch.func import functional_call
from training import assert_unchanged, weights_of

from attacks import prodistill
from attacks.prodistill import ProDistill
from mergebench.backbones import BertBackbone
from mergebench.contracts import MergeData
from mergebench.measure.evaluate import deployed
from mergebench.suites import Split, Task
from mergebench.updates.update import Update

FEW = ProDistill(epochs=3, batch_size=16)


@pytest.fixture(scope="module")
def encoder() -> BertBackbone:
    return tiny_encoder()


def cut(task: Task, longest: int) -> Task:
    """Return the task with texts of at most so many tokens."""
    splits = {}
    for name, own in task.splits.items():
        ids = own.inputs.clone()
        ids[:, longest:] = 0
        splits[name] = Split(inputs=ids, labels=own.labels)
    return replace(task, splits=splits)


def given_to(encoder: BertBackbone, *, full: bool = False) -> MergeData:
    """Return two tasks, of which one has short texts."""
    short, long = token_tasks(2)
    return MergeData(
        backbone=encoder,
        updates=tuple(random_update(encoder, seed, full=full) for seed in (0, 1)),
        tasks=(cut(short, 5), long),
        seed=0,
    )


def alone(encoder: BertBackbone, update: Update, ids: Tensor) -> list[list[Tensor]]:
    """Return for each text what every block is given while it runs without any padding."""
    found = []
    with deployed(encoder, update), torch.no_grad():
        for row in ids:
            stream = encoder.parts.stem(row[row.ne(0)][None].long())
            found.append([])
            for block in encoder.parts.blocks().values():
                found[-1].append(stream[0])
                stream = encoder.parts.run(block, stream)
    return found


@pytest.mark.parametrize("full", [False, True], ids=["low rank", "all parameters"])
def test_the_streams_are_those_of_each_text_alone(encoder, full, monkeypatch):
    seen = []
    original = prodistill._Streams.advance_teachers

    def record(streams, block, changes):
        seen.append((streams._student.clone(), streams._teacher.clone()))
        original(streams, block, changes)

    monkeypatch.setattr(prodistill._Streams, "advance_teachers", record)
    given = given_to(encoder, full=full)
    merged = FEW.merge(given)
    texts = [task.splits["train"].inputs for task in given.tasks]
    own = [row for ids in texts for row in alone(encoder, merged, ids)]
    taught = [
        row
        for update, ids in zip(given.updates, texts, strict=True)
        for row in alone(encoder, update, ids)
    ]
    assert len(seen) == 2
    for place, (student, teacher) in enumerate(seen):
        assert student.shape == teacher.shape == (80, 12, 16)
        for found, expected in ((student, own), (teacher, taught)):
            for stream, text in zip(found, expected, strict=True):
                length = len(text[place])
                torch.testing.assert_close(stream[:length], text[place], rtol=1e-4, atol=1e-5)
                assert not stream[length:].any()


def test_the_loss_is_the_sum_over_the_tokens_of_each_text(encoder):
    given = given_to(encoder)
    path, block = next(iter(encoder.parts.blocks().items()))
    streams = prodistill._Streams(given, Update(sites={}))
    site = f"{path}.attention.self.value"
    change = {"attention.self.value.weight": given.updates[0].sites[site].dense()}
    found = float(streams.loss(block, change, torch.arange(80)))
    weights = {name: block.get_parameter(name) + delta for name, delta in change.items()}
    texts = torch.cat([task.splits["train"].inputs for task in given.tasks])
    expected = 0.0
    for row in texts:
        hidden = encoder.parts.stem(row[row.ne(0)][None].long())
        moved = functional_call(block, weights, (hidden,))
        expected += float((moved - hidden).double().square().sum())  # no block has advanced
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("granularity", ["element", "tensor", "task"])
def test_more_padding_gives_the_same_merge(encoder, granularity, monkeypatch):
    attack = FEW.with_options(granularity=granularity)
    given = given_to(encoder)
    before = weights_of(encoder)
    expected = attack.merge(given)
    narrow = encoder.prepare(given.tasks[0].splits["train"].inputs)
    assert narrow.shape[1] == 5

    def wide(self: BertBackbone, inputs: Tensor) -> Tensor:
        return torch.nn.functional.pad(inputs, (0, 11)).long()

    monkeypatch.setattr(BertBackbone, "prepare", wide)
    padded = replace(given, notes={})
    found = attack.merge(padded)
    for site, change in expected.sites.items():
        apart = (found.sites[site].dense() - change.dense()).norm() / change.dense().norm()
        assert apart < 1e-5, site
    assert padded.notes["relative_error"] == pytest.approx(given.notes["relative_error"], rel=1e-5)
    assert_unchanged(encoder, before)
