"""Supervised fine-tuning of a merge: where it starts, what it reads, and what it selects."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from few_updates import merge_data, random_update
from narrow_towers import narrow_backbone
from torch import Tensor
from training import TINY, assert_unchanged, synthetic_task, weights_of

from attacks.finetune import SupervisedFinetuning
from mergebench.backbones import Backbone
from mergebench.contracts import MergeData
from mergebench.errors import InputError
from mergebench.measure.evaluate import Evaluator, deployed
from mergebench.suites import Split, Task
from mergebench.train import Classifier, FullRecipe, LoraTower, train_in_turn
from mergebench.updates.update import Update

RECIPE = replace(TINY, learning_rate=1e-2, warmup_steps=0, logit_scale=10.0, precision="fp32")
FEW = SupervisedFinetuning(inputs_per_task=12, recipe=RECIPE)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return narrow_backbone("mini_vit")


def given_to(attack: SupervisedFinetuning, backbone: Backbone, **parts: object) -> MergeData:
    start = None if attack.starts_from is None else random_update(backbone, 7).scaled(0.3)
    return merge_data(attack, backbone, **({"start": start} | parts))


def with_splits(task: Task, **splits: Split) -> Task:
    return replace(task, splits={**task.splits, **splits})


def flipped(split: Split) -> Split:
    return Split(inputs=split.inputs, labels=1 - split.labels)


def same(update: Update, other: Update) -> bool:
    return all(
        torch.equal(change.dense(), other.sites[site].dense())
        for site, change in update.sites.items()
    )


def test_the_start_is_returned_if_no_step_is_better(backbone):
    """Validation labels are what the start predicts, and training labels the opposite."""
    given = given_to(FEW, backbone)
    task = given.tasks[0]
    predicted = {split: predictions(given, split) for split in ("train", "val")}
    train = Split(inputs=task.splits["train"].inputs, labels=1 - predicted["train"])
    val = Split(inputs=task.splits["val"].inputs, labels=predicted["val"])
    tasks = (with_splits(task, train=train, val=val), *given.tasks[1:])
    given = replace(given, tasks=tasks, notes={})
    merged = FEW.with_options(recipe=replace(RECIPE, steps=24, evaluate_every=12)).merge(given)
    assert given.notes["selected_step"] == 0
    assert given.notes["validation_at_start"] == 1
    assert same(merged, given.start)


def predictions(given: MergeData, split: str) -> Tensor:
    with deployed(given.backbone, given.start):
        found = Evaluator(given.backbone, given.tasks[:1], precision="fp32")
        return found.predictions(split)[given.tasks[0].name].clone()


def test_the_most_accurate_step_on_validation_is_selected(backbone, monkeypatch):
    """Whatever the loss does: the counts here are made up, and the later of equals wins."""
    tower = LoraTower(backbone, replace(RECIPE, steps=12), seed=0, task="x")
    counts = iter([5, 8, 9, 9, 4])
    monkeypatch.setattr(Classifier, "correct", lambda *_: next(counts))
    kept: list[Update] = []
    original = LoraTower.update
    monkeypatch.setattr(
        LoraTower, "update", lambda *words: kept.append(original(*words)) or kept[-1]
    )
    tuned = train_in_turn(tower, [synthetic_task()], seed=0)
    assert (tuned.step, tuned.correct, tuned.first) == (9, {"stripes": 9}, {"stripes": 5})
    assert tuned.update is kept[-1]
    assert not same(kept[-1], kept[-2])


def test_training_stops_when_patience_runs_out(backbone, monkeypatch):
    recipe = replace(RECIPE, steps=60, patience=2)
    counts = iter([5, 6, 6, 6])
    monkeypatch.setattr(Classifier, "correct", lambda *_: next(counts))
    tuned = train_in_turn(LoraTower(backbone, recipe, seed=0, task="x"), [synthetic_task()], seed=0)
    assert tuned.step == 9


@pytest.mark.parametrize("start_from", ["ta@full", "none"])
def test_it_learns_from_the_labels(backbone, start_from):
    """Of labels and their opposites, one is what the start gets wrong; both are learnt."""
    attack = FEW.with_options(
        start_from=start_from, recipe=replace(RECIPE, steps=20, evaluate_every=20)
    )
    results = []
    for turn in (lambda split: split, flipped):
        given = given_to(attack, backbone)
        task = given.tasks[0]
        labels = {name: turn(own) for name, own in task.splits.items()}
        given = replace(given, tasks=(with_splits(task, **labels), *given.tasks[1:]), notes={})
        results.append(attack.merge(given))
        assert given.notes["validation"] >= 0.9
        assert given.notes["images"] == 12
    assert not same(*results)


def test_other_labels_and_images_do_not_matter_to_a_targeted_attack(backbone):
    given = given_to(FEW, backbone)
    changed = tuple(
        with_splits(task, **{name: flipped(own) for name, own in task.splits.items()})
        for task in given.tasks[1:]
    )
    other = replace(given, tasks=(given.tasks[0], *changed))
    assert FEW.merge(given).sha256 == FEW.merge(other).sha256


def test_all_tasks_take_turns(backbone, monkeypatch):
    attack = FEW.with_options(tasks="all")
    given = given_to(attack, backbone, target=None)
    names: list[str] = []
    original = Classifier.losses

    def record(classifier, *words):
        names.append(owner[id(classifier)])
        return original(classifier, *words)

    owner: dict[int, str] = {}
    monkeypatch.setattr(Classifier, "losses", record)
    made = Classifier.__init__

    def remember(classifier, tower, task):
        made(classifier, tower, task)
        owner[id(classifier)] = task.name

    monkeypatch.setattr(Classifier, "__init__", remember)
    attack.merge(given)
    assert names == ["task 0", "task 1"] * 3
    assert given.notes["images"] == 24
    assert (attack.targeted, FEW.targeted) == (False, True)


def test_a_targeted_attack_needs_its_target(backbone):
    with pytest.raises(InputError, match="needs a target among task 0, task 1, not None"):
        FEW.merge(given_to(FEW, backbone, target=None))


@pytest.mark.parametrize("start_from", ["none", ""])
def test_from_w0_nothing_of_the_updates_is_used(backbone, start_from):
    attack = FEW.with_options(start_from=start_from)
    assert attack.starts_from is None
    merged = attack.merge(given_to(attack, backbone))
    other = tuple(random_update(backbone, seed) for seed in (8, 9))
    assert merged.sha256 == attack.merge(given_to(attack, backbone, updates=other)).sha256
    assert FEW.from_base().starts_from is None
    assert FEW.from_base().merge(given_to(attack, backbone)).sha256 == merged.sha256


def test_the_start_and_the_adapter_add_up(backbone):
    """The same adapter is trained on a backbone whose weights already hold the start."""
    attack = FEW.with_options(recipe=replace(RECIPE, steps=3))
    given = given_to(attack, backbone)
    merged = attack.merge(given)
    assert given.notes["selected_step"] == 3
    with deployed(backbone, given.start):
        alone = attack.from_base().merge(replace(given, start=None))
    for site, change in merged.sites.items():
        expected = given.start.sites[site].dense() + alone.sites[site].dense()
        torch.testing.assert_close(change.dense(), expected)


def test_every_weight_can_be_trained_in_place_of_an_adapter(backbone):
    recipe = FullRecipe(
        learning_rate=1e-3,
        batch_size=8,
        steps=3,
        evaluate_every=3,
        warmup_steps=0,
        logit_scale=100.0,
        probe_scales=(),
        precision="fp32",
    )
    attack = FEW.with_options(recipe=recipe)
    given = given_to(attack, backbone)
    before = weights_of(backbone)
    merged = attack.merge(given)
    assert given.notes["selected_step"] == 3
    assert merged.sites.keys() == backbone.tensors.keys() >= given.start.sites.keys()
    assert all(float(change.dense().abs().max()) > 0 for change in merged.sites.values())
    with deployed(backbone, merged):
        found = Evaluator(backbone, given.tasks[:1], precision="fp32").correct("val")
    assert found["task 0"] == given.notes["validation"] * 10
    assert_unchanged(backbone, before)


@pytest.mark.parametrize("fails", [False, True])
def test_backbone_and_random_state_are_left_alone(backbone, fails, monkeypatch):
    before, state = weights_of(backbone), torch.get_rng_state()
    given = given_to(FEW, backbone)
    if fails:
        monkeypatch.setattr(Classifier, "losses", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            FEW.merge(given)
    else:
        assert FEW.merge(given).sha256 == FEW.merge(given).sha256
    assert_unchanged(backbone, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_unknown_tasks_are_refused():
    with pytest.raises(InputError, match="tasks is 'each'; choose from: target, all"):
        FEW.with_options(tasks="each")


def test_a_loss_that_is_not_finite_is_said(backbone):
    attack = FEW.with_options(recipe=replace(RECIPE, logit_scale=float("inf")))
    with pytest.raises(InputError, match="task 0: the loss is nan at step 1"):
        attack.merge(given_to(attack, backbone))
