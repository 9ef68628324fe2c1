"""Attacks that put a trained adapter in the protected one's place: what it learns and reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from few_updates import merge_data, noisy_task, random_update
from narrow_towers import narrow_backbone
from training import TINY, assert_unchanged, weights_of

from attacks.distil import Distil
from attacks.flatten import Flatten, FlattenLabelled
from attacks.parts.trained_stand_in import with_inputs
from attacks.task_arithmetic import TaskArithmetic
from attacks.ties import Ties
from mergebench.backbones import Backbone
from mergebench.contracts import MergeData, ReplacingMerger, Space
from mergebench.errors import InputError, PluginError
from mergebench.merging import DataMergeProblem, MergeProblem, UpdateMemory
from mergebench.registry import registry
from mergebench.suites import Split
from mergebench.train import Classifier
from mergebench.updates import Dense, LowRank, Update

RECIPE = replace(TINY, learning_rate=1e-2, warmup_steps=0, logit_scale=10.0, precision="fp32")
OPTIONS = {"inputs_per_task": 12, "recipe": RECIPE, "rule": TaskArithmetic()}
DISTIL, FLATTEN = Distil(steps=3, **OPTIONS), Flatten(steps=3, **OPTIONS)
BOTH = pytest.mark.parametrize("attack", [DISTIL, FLATTEN], ids=lambda attack: attack.name)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return narrow_backbone("mini_vit")


def problem(
    backbone: Backbone, updates: list[Update], target: str | None = "task 1", **options: object
) -> DataMergeProblem:
    tasks = [noisy_task(f"task {index}", index) for index in range(len(updates))]
    space = registry().get(Space, options.pop("space", "full"))()
    return DataMergeProblem(
        updates, backbone=backbone, tasks=tasks, space=space, target=target, **options
    )


def three(backbone: Backbone) -> list[Update]:
    return [random_update(backbone, seed) for seed in range(3)]


def same(update: Update, other: Update) -> bool:
    assert update.sites.keys() == other.sites.keys()
    return all(
        torch.equal(change.dense(), other.sites[site].dense())
        for site, change in update.sites.items()
    )


@pytest.mark.parametrize("space", ["full", "core"])
@pytest.mark.parametrize("rule", [TaskArithmetic(), Ties()], ids=["ta", "ties"])
def test_without_a_step_a_student_adds_nothing(backbone, rule, space):
    updates, attack = three(backbone), DISTIL.with_options(steps=0, rule=rule)
    merged = problem(backbone, updates, space=space).merge(attack)
    updates[1] = attack.stand_in(merge_data(attack, backbone))
    assert updates[1].norm() == 0
    expected = MergeProblem(updates, space=registry().get(Space, space)()).merge(rule)
    assert same(merged, expected)
    if isinstance(rule, TaskArithmetic) and space == "full":
        left = MergeProblem([updates[0], updates[2]], space=registry().get(Space, "full")())
        assert same(merged, left.merge(rule))


@pytest.mark.parametrize("space", ["full", "core"])
@pytest.mark.parametrize("rule", [TaskArithmetic(), Ties()], ids=["ta", "ties"])
def test_without_a_step_nothing_is_flattened(backbone, rule, space):
    updates, attack = three(backbone), FLATTEN.with_options(steps=0, rule=rule)
    merged = problem(backbone, updates, space=space).merge(attack)
    untouched = MergeProblem(updates, space=registry().get(Space, space)()).merge(rule)
    assert same(merged, untouched)


@BOTH
def test_labels_are_neither_given_nor_used(backbone, attack, monkeypatch):
    """The same inputs with other labels, drawn as before, give the same merge."""
    given = merge_data(attack, backbone)
    for task in given.tasks:
        assert all(bool(split.labels.eq(-1).all()) for split in task.splits.values())
    flipped = [
        replace(
            task,
            splits={
                name: Split(inputs=own.inputs, labels=own.labels + 1)
                for name, own in task.splits.items()
            },
        )
        for task in given.tasks
    ]
    assert attack.data == "unlabelled"
    found = attack.stand_in(given)
    assert same(found, attack.stand_in(replace(given, tasks=tuple(flipped))))


def test_with_labels_flattening_learns_these_and_else_nothing_differs(backbone):
    labelled = FlattenLabelled(**FLATTEN.options())
    assert (labelled.data, FLATTEN.data) == ("labelled", "unlabelled")
    given = merge_data(labelled, backbone)
    task = given.tasks[0]
    train = task.splits["train"]
    assert bool(train.labels.ge(0).all())
    tower = FLATTEN.protected_tower(given, given.updates[0])
    said = FLATTEN.labels(Classifier(tower, task), train)

    def learnt(labels: torch.Tensor) -> Update:
        return labelled.stand_in(replace(given, tasks=(with_inputs(task, train.inputs, labels),)))

    assert same(learnt(said), FLATTEN.stand_in(given))
    assert not same(learnt(1 - said), FLATTEN.stand_in(given))


@BOTH
def test_equal_seeds_give_equal_bits_and_others_differ(backbone, attack):
    state, weights = torch.get_rng_state(), weights_of(backbone)
    given = merge_data(attack, backbone)
    first, again = attack.stand_in(given), attack.stand_in(given)
    assert first.sha256 == again.sha256
    assert attack.stand_in(replace(given, seed=1)).sha256 != first.sha256
    assert torch.equal(torch.get_rng_state(), state)
    assert_unchanged(backbone, weights)


@BOTH
def test_one_training_serves_all_rules_and_spaces(backbone, attack, monkeypatch):
    calls: list[str] = []
    original = type(attack).stand_in

    def record(self, given):
        calls.append(self.name)
        return original(self, given)

    monkeypatch.setattr(type(attack), "stand_in", record)
    updates, known = three(backbone), UpdateMemory()
    shared = problem(backbone, updates, known=known)
    first = shared.merge(attack)
    ties = attack.with_options(rule=Ties())
    for percent in (10, 30):
        shared.merge(ties.with_options(top_k=percent))
        assert shared.notes(ties)["images"] == 12
    problem(backbone, updates, known=known, space="core").merge(attack)
    assert calls == [attack.name]
    assert same(first, problem(backbone, updates).merge(attack))
    problem(backbone, updates, target="task 0", known=known).merge(attack)
    shared.merge(attack.with_options(learning_rate=0.5))
    assert len(calls) == 4


@BOTH
def test_an_update_of_fewer_sites_and_of_unequal_ranks_is_learnt(backbone, attack):
    """What is missing of its factors is zero, and a student has the largest rank."""
    whole = random_update(backbone, 0)
    first, *rest = whole.sites
    change = whole.sites[first]
    small = LowRank(up=change.up[:, :1], down=change.down[:1])
    uneven = Update(sites={first: small, **{site: whole.sites[site] for site in rest}})
    tower = attack.protected_tower(merge_data(attack, backbone), uneven)
    assert same(tower.update(""), uneven)
    few = Update(sites={first: small})
    loaded = attack.protected_tower(merge_data(attack, backbone), few).update("")
    assert torch.equal(loaded.sites[first].dense(), small.dense())
    assert all(loaded.sites[site].squared_norm() == 0 for site in rest)


def test_the_recipe_is_stated_as_it_is_used():
    told = DISTIL.with_options(steps=7, learning_rate=0.5).stated()
    assert (told["recipe"].steps, told["recipe"].learning_rate) == (7, 0.5)
    assert told.keys() == {"recipe", "tasks"}
    assert DISTIL.stated()["recipe"].learning_rate == RECIPE.learning_rate
    assert DISTIL.with_options(steps=0).stated()["steps"] == 0
    assert DISTIL.from_base() is None


@pytest.mark.parametrize(
    ("attack", "options", "message"),
    [
        (DISTIL, {"tasks": "all"}, "tasks is 'all'; choose from: target, others"),
        (DISTIL, {"steps": -1}, "attack distil: steps is -1"),
        (FLATTEN, {"least": 1.5}, "attack flatten: least is 1.5"),
        (FLATTEN, {"learning_rate": -1.0}, "attack flatten: learning_rate is -1"),
    ],
)
def test_wrong_options_are_refused(attack, options, message):
    with pytest.raises(InputError, match=message):
        attack.with_options(**options)


@BOTH
def test_what_cannot_be_attacked_is_said(backbone, attack):
    updates = three(backbone)
    with pytest.raises(InputError, match="needs a target among task 0, task 1, task 2, not None"):
        problem(backbone, updates, target=None).merge(attack)
    with pytest.raises(InputError, match=f"name one, such as {attack.name}:ta"):
        problem(backbone, updates).merge(attack.with_options(rule=None))
    full = [random_update(backbone, seed, full=True) for seed in range(3)]
    with pytest.raises(
        InputError, match=f"full 1: no adapter, which is what attack {attack.name} trains"
    ):
        problem(backbone, full).merge(attack)
    hopeless = attack.with_options(recipe=replace(RECIPE, logit_scale=float("inf")))
    with pytest.raises(InputError, match="task 1: the loss is nan at step 1"):
        problem(backbone, updates).merge(hopeless)


@dataclass(frozen=True, kw_only=True)
class Broken(ReplacingMerger):
    """Returns what it is told to."""

    name: ClassVar[str] = "broken"
    paper: ClassVar[str] = "tests"

    made: object = None

    def stand_in(self, given: MergeData) -> Update:
        return self.made


def test_a_stand_in_that_fits_no_other_update_is_refused(backbone):
    (site, *rest), update = list(backbone.sites), random_update(backbone, 1)
    short = Dense(delta=torch.zeros(2, 3))
    sites = {**update.sites, site: update.sites[site].scaled(1.0)}
    wide = Dense(delta=sites[site].dense().double())
    for made, message in (
        (None, "returned NoneType; expected an Update"),
        (Update(sites={one: sites[one] for one in rest}), f"change other sites, such as {site}"),
        (Update(sites={**sites, site: short}), "the stand-in has torch.float32 of shape 2×3"),
        (Update(sites={**sites, site: wide}), "the stand-in has torch.float64 of shape"),
    ):
        attack = Broken(made=made, rule=TaskArithmetic(), inputs_per_task=4)
        with pytest.raises(PluginError, match=message):
            problem(backbone, three(backbone)).merge(attack)


def test_a_blind_one_is_refused(monkeypatch):
    monkeypatch.setattr(Broken, "knowledge", "blind")
    with pytest.raises(InputError, match="a ReplacingMerger knows which update to replace"):
        Broken.check_class()
