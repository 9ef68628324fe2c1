"""The yardstick of imitation: trained from W0, on the target's inputs, whatever the update is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from few_updates import merge_data, random_update
from narrow_towers import narrow_backbone
from training import TINY, assert_unchanged, weights_of

from attacks.finetune import SupervisedFinetuning
from attacks.relearn import Relearn
from attacks.task_arithmetic import TaskArithmetic
from mergebench.backbones import Backbone
from mergebench.seeding import derived_seed

RECIPE = replace(TINY, learning_rate=1e-2, warmup_steps=0, logit_scale=10.0, precision="fp32")
RELEARN = Relearn(inputs_per_task=12, recipe=RECIPE, rule=TaskArithmetic())


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return narrow_backbone()


def test_the_protected_update_is_not_looked_at(backbone) -> None:
    given, weights = merge_data(RELEARN, backbone), weights_of(backbone)
    found = RELEARN.stand_in(given)
    assert found.norm() > 0
    other = replace(given, updates=(random_update(backbone, 9), given.updates[1]))
    assert RELEARN.stand_in(other).sha256 == found.sha256
    assert not RELEARN.takes_protected
    assert_unchanged(backbone, weights)


def test_it_is_what_fine_tuning_makes_of_w0(backbone, monkeypatch) -> None:
    """The same inputs, steps and selection; only the seed of the fresh adapter is its own."""
    monkeypatch.setattr("attacks.parts.supervised.derived_seed", lambda seed, name: _seed(seed))
    tuning = SupervisedFinetuning(inputs_per_task=12, recipe=RECIPE).from_base()
    expected = tuning.merge(merge_data(tuning, backbone))
    found = RELEARN.stand_in(merge_data(RELEARN, backbone))
    for site, change in expected.sites.items():
        assert torch.equal(found.sites[site].dense(), change.dense())


def _seed(seed: int) -> int:
    return derived_seed(seed, SupervisedFinetuning.name)


def test_the_labels_count(backbone) -> None:
    given = merge_data(RELEARN, backbone)
    task = given.tasks[0]
    train = task.splits["train"]
    swapped = replace(
        task, splits={**task.splits, "train": replace(train, labels=1 - train.labels)}
    )
    other = replace(given, tasks=(swapped, *given.tasks[1:]))
    assert RELEARN.stand_in(other).sha256 != RELEARN.stand_in(given).sha256


def test_its_budget_names_the_selection() -> None:
    assert "whole validation split to select the step" in RELEARN.budget("images")
