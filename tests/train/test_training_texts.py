"""Adapters and every weight of a text encoder are trained alike, however much padding there is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_encoder import SOURCE, tiny_encoder, token_ids, token_tasks, widened
from torch import Tensor
from training import TINY as LORA
from training import assert_unchanged, weights_of

from mergebench.backbones import BertBackbone
from mergebench.measure.evaluate import deployed
from mergebench.progress import Silent
from mergebench.suites import Split, Task
from mergebench.train import (
    Classifier,
    FullRecipe,
    FullTower,
    LoraTower,
    Step,
    make_tower,
    train,
)
from mergebench.train.like_length import of_like_length
from mergebench.train.tower import Tower
from protections.none import Unprotected
from protections.trap2 import Trap2

ADAPTER = replace(LORA, lora_alpha=6, learning_rate=2e-2, precision="fp32")
FULL = FullRecipe(
    learning_rate=5e-3,
    steps=6,
    batch_size=8,
    warmup_steps=1,
    evaluate_every=3,
    probe_inputs=4,
    precision="fp32",
)
RECIPES = {"adapter": ADAPTER, "every weight": FULL}


@pytest.fixture(scope="module")
def encoder() -> BertBackbone:
    return tiny_encoder()


@pytest.fixture(scope="module")
def task() -> Task:
    return token_tasks(1)[0]


@pytest.fixture(params=RECIPES)
def recipe(request: pytest.FixtureRequest):
    return RECIPES[request.param]


def moved(encoder: BertBackbone, recipe, task: Task) -> Tower:
    """Return a tower whose every trained parameter differs from its start."""
    tower = make_tower(encoder, recipe, 0, task)
    draws = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in tower.parameters:
            weight.add_(0.05 * torch.randn(weight.shape, generator=draws))
    return tower


def hidden_of(tower: Tower, ids: Tensor) -> Tensor:
    return tower.prepared(ids).of(torch.arange(len(ids)))


def test_the_loss_falls_and_the_backbone_is_as_it_was(encoder, task, recipe):
    before, state = weights_of(encoder), torch.get_rng_state()
    longer = replace(recipe, steps=30, evaluate_every=15)
    release = train(encoder, task, Unprotected(), longer, 0, Silent())
    assert_unchanged(encoder, before)
    assert torch.equal(torch.get_rng_state(), state)
    losses = release.record["losses"]
    assert sum(losses[-5:]) < 0.75 * sum(losses[:5])
    assert release.record["validation"]["correct"] > 30
    sites = encoder.sites if recipe is ADAPTER else encoder.tensors
    assert tuple(release.update.sites) == tuple(sites)
    assert not any(site.startswith("embeddings") for site in release.update.sites)


def test_equal_arguments_give_equal_bits(encoder, task, recipe):
    attack = Trap2(recipe=recipe, strength=0.3)
    first, second, other = (
        train(encoder, task, attack, recipe, seed, Silent()) for seed in (3, 3, 4)
    )
    assert first.update.sha256 == second.update.sha256 != other.update.sha256
    assert first.record["losses"] == second.record["losses"]


def test_at_scale_zero_it_is_the_backbone_bit_for_bit(encoder, task, recipe):
    tower, ids = moved(encoder, recipe, task), token_ids(12)
    with torch.no_grad():
        expected = encoder.tower(encoder.prepare(ids))
        assert torch.equal(tower.embed(hidden_of(tower, ids), 0.0), expected)


@pytest.mark.parametrize("scale", [0.4, 1.0, 1.7])
def test_a_deployed_update_computes_what_was_trained(encoder, task, recipe, scale):
    tower, ids = moved(encoder, recipe, task), token_ids(12)
    expected = tower.embed(hidden_of(tower, ids), scale).detach()
    before = weights_of(encoder)
    with torch.no_grad(), deployed(encoder, tower.update("x"), scale):
        found = encoder.tower(encoder.prepare(ids))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert_unchanged(encoder, before)


@pytest.mark.parametrize("scale", [0.4, 1.0])
def test_summed_weights_compute_what_pefts_layers_compute(encoder, task, scale):
    tower = moved(encoder, replace(ADAPTER, dropout=1e-9), task)
    assert isinstance(tower, LoraTower)
    hidden = hidden_of(tower, token_ids(12))
    summed, layered = tower.embed(hidden, scale), tower.embed_training(hidden, scale, 0)
    torch.testing.assert_close(summed, layered, rtol=1e-4, atol=1e-5)


def test_one_step_is_the_same_whatever_the_padding(encoder, task, recipe):
    """Gradients, relative to their norm; measured: 4e-6 at most."""
    ids, labels = task.splits["train"].inputs[:16], task.splits["train"].labels[:16]
    found = []
    for columns in (0, 1, 20):
        tower = moved(encoder, recipe, task)
        wide = widened(ids, columns).long()
        hidden = wide if isinstance(tower, FullTower) else encoder.parts.stem(wide)
        step = Step(
            classifier=Classifier(tower, task), hidden=hidden, labels=labels, index=0, steps=1
        )
        Trap2(recipe=recipe, strength=0.3).backward(step)
        found.append(torch.cat([parameter.grad.flatten() for parameter in tower.parameters]))
    assert all((wide - found[0]).norm() <= 1e-5 * found[0].norm() for wide in found[1:])


def test_training_on_wider_tensors_gives_the_same_bits(encoder, task, recipe):
    """What a suite pads is left out of every batch."""

    def wide(split: Split) -> Split:
        return Split(inputs=widened(split.inputs, 7), labels=split.labels)

    padded = replace(task, splits={name: wide(split) for name, split in task.splits.items()})
    first, second = (
        train(encoder, each, Unprotected(), recipe, 0, Silent()) for each in (task, padded)
    )
    assert first.update.sha256 == second.update.sha256
    assert first.record["evaluations"] == second.record["evaluations"]


def test_a_classifier_counts_texts_as_one_by_one(encoder, task, recipe):
    tower = moved(encoder, recipe, task)
    classifier, split = Classifier(tower, task), task.splits["test"]
    whole = classifier.correct(classifier.examples(split))
    parts = [
        Split(inputs=split.inputs[row : row + 1], labels=split.labels[row : row + 1])
        for row in range(len(split))
    ]
    assert whole == sum(classifier.correct(classifier.examples(part)) for part in parts)


def test_batches_of_like_length_are_the_same_texts():
    draws = torch.Generator().manual_seed(1)
    lengths = torch.randint(3, SOURCE.context + 1, (200,), generator=draws)
    order = torch.randperm(200, generator=draws)
    moved_order = of_like_length(order, lengths[order], 10, draws)
    for start in range(0, 200, 80):
        own, found = order[start : start + 80], moved_order[start : start + 80]
        assert torch.equal(own.sort().values, found.sort().values)
    spread = [int(lengths[batch].max() - lengths[batch].min()) for batch in moved_order.split(10)]
    assert max(spread) <= 4
    firsts = [float(lengths[batch].float().mean()) for batch in moved_order[:80].split(10)]
    assert firsts != sorted(firsts), "short texts do not all come first"
