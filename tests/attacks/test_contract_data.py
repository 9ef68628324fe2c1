"""What every attack that looks at inputs must do; a new one is tested by being registered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from narrow_towers import narrow_backbone
from small_encoder import NAME, tiny_encoder, token_tasks
from synthetic import hashes
from training import TINY, assert_unchanged, synthetic_task, tiny_backbone, weights_of

from mergebench.backbones import Backbone
from mergebench.contracts import DataMerger, MergeData, Merger, OnRule, Space
from mergebench.errors import PluginError
from mergebench.merging.problem import merge
from mergebench.merging.with_data import DataMergeProblem
from mergebench.progress import Reached, unheard
from mergebench.registry import registry
from mergebench.suites import Split, Task
from mergebench.train import TrainingRecipe
from mergebench.updates.update import LowRank, Update

ATTACKS = [found.plugin for found in registry().all(DataMerger)]
FEW = {"steps": 2, "epochs": 1, "batch_size": 4, "recipe": TINY}
"""What fields of these names are set to, so that attacks that train end soon."""
NAMES = ("stripes", "dots", "waves")


def title(attack: type[DataMerger]) -> str:
    return attack.name


def small(attack: type[DataMerger]) -> DataMerger:
    known = attack().options()
    few: dict[str, object] = {name: value for name, value in FEW.items() if name in known}
    if isinstance(known.get("recipe"), TrainingRecipe):
        few["recipe"] = replace(known["recipe"], steps=FEW["steps"], batch_size=4)
    if issubclass(attack, OnRule):
        few["rule"] = registry().get(Merger, "ta")()
        if "recipe" in few:  # of W0, where little training is no better than none, and not taken
            few["recipe"] = replace(few["recipe"], steps=4, learning_rate=1e-2)
    return attack().with_options(inputs_per_task=4, inputs_per_class=0, **few)


@pytest.fixture(scope="module", params=["mini_vit", "mini_convnext", NAME])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_encoder() if request.param == NAME else narrow_backbone(request.param)


def updates_of(backbone: Backbone, count: int, scale: float = 0.05) -> list[Update]:
    draws = torch.Generator().manual_seed(2)
    return [
        Update(
            sites={
                name: LowRank(
                    up=scale * torch.randn(site.out_features, 2, generator=draws),
                    down=torch.randn(2, site.in_features, generator=draws),
                )
                for name, site in backbone.sites.items()
            },
            label=NAMES[index],
        )
        for index in range(count)
    ]


def tasks_of(backbone: Backbone, count: int) -> list[Task]:
    if backbone.name == NAME:
        tasks = zip(token_tasks(count), NAMES[:count], strict=True)
        return [replace(task, name=name) for task, name in tasks]
    return [synthetic_task(name) for name in NAMES[:count]]


def problem(
    backbone: Backbone,
    attack: DataMerger,
    updates: Sequence[Update],
    tasks: Sequence[Task],
    reached: Reached = unheard,
) -> DataMergeProblem:
    """Return the problem of `attack`; one that starts from a merge is given 0.3 times that."""
    full = registry().get(Space, "full")()

    def start() -> Update:
        assert attack.starts_from is not None
        rule = registry().get(Merger, attack.starts_from.split("@")[0])()
        return merge(rule, updates, space=full).scaled(0.3)

    return DataMergeProblem(
        updates,
        backbone=backbone,
        tasks=tasks,
        space=full,
        target=tasks[0].name if attack.targeted else None,
        start=None if attack.starts_from is None else start,
        reached=reached,
    )


def merged(
    backbone: Backbone,
    attack: DataMerger,
    updates: Sequence[Update],
    changed: str = "",
    reached: Reached = unheard,
) -> Update:
    """Return the merge; images of split `changed` are half as bright, texts have other words."""
    tasks = [with_other(task, changed) for task in tasks_of(backbone, len(updates))]
    return problem(backbone, attack, updates, tasks, reached).merge(attack)


def with_other(task: Task, split: str) -> Task:
    splits = {**task.splits}
    if split:
        own = splits[split]
        inputs = own.inputs // 2
        if own.inputs.dtype == torch.int32:  # half an identifier; what is padding stays it
            inputs = inputs.clamp(min=1) * own.inputs.ne(0)
        splits[split] = Split(inputs=inputs, labels=own.labels)
    return replace(task, splits=splits)


def assert_sound(found: Update, backbone: Backbone) -> None:
    assert found.sites.keys() >= backbone.sites.keys()
    for name, site in backbone.sites.items():
        change = found.sites[name].dense()
        assert change.shape == site.weight.shape
        assert change.dtype == torch.float32
        assert bool(torch.isfinite(change).all())


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_contract(attack: type[DataMerger], backbone: Backbone) -> None:
    rule, given = small(attack), updates_of(backbone, 2)
    before, weights = hashes(given), weights_of(backbone)
    state, shares = torch.get_rng_state(), []
    found = merged(backbone, rule, given, reached=shares.append)
    assert torch.equal(torch.get_rng_state(), state), "the global generator was drawn from"
    assert_unchanged(backbone, weights)
    assert not any(module._forward_pre_hooks for module in backbone.tower.modules())
    assert hashes(given) == before, "an input was changed"
    assert_sound(found, backbone)
    assert found.norm() > 0
    assert shares, "it does not say how far it is"
    assert shares == sorted(shares)
    assert shares[0] > 0
    assert shares[-1] == pytest.approx(1)

    torch.manual_seed(1)
    again = merged(backbone, rule, given, changed="test")
    assert again.sha256 == found.sha256, "two equal calls differ, or test images were used"
    other = merged(backbone, rule, given, changed=rule.split)
    assert other.sha256 != found.sha256, "the images of its split were not used"


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_one_update(attack: type[DataMerger], backbone: Backbone) -> None:
    assert_sound(merged(backbone, small(attack), updates_of(backbone, 1)), backbone)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_zero_updates(attack: type[DataMerger], backbone: Backbone) -> None:
    """Where the images only weigh the updates, updates that change nothing merge to nothing."""
    rule, still = small(attack), updates_of(backbone, 2, scale=0.0)
    found = merged(backbone, rule, still)
    assert_sound(found, backbone)
    if rule.starts_from is None and not FEW.keys() & rule.options().keys():
        assert found.norm() < 1e-4


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_is_documented(attack: type[DataMerger]) -> None:
    assert attack.__doc__
    assert "arxiv.org/abs/" in attack.paper
    assert set(attack.grid) <= set(attack().options())
    shown = repr(attack())
    assert all(f"{name}={value!r}" in shown for name, value in attack().options().items())


@dataclass(frozen=True, kw_only=True)
class Looking(DataMerger):
    """Remembers what it is given."""

    name: ClassVar[str] = "looking"
    paper: ClassVar[str] = "tests"
    seen: ClassVar[list[MergeData]] = []

    everywhere: bool = True

    @property
    def looks_at_others(self) -> bool:
        return self.everywhere

    def merge(self, given: MergeData) -> Update:
        self.seen.append(given)
        return given.updates[0]


@pytest.mark.parametrize("knowledge", ["blind", "informed"])
@pytest.mark.parametrize("data", ["unlabelled", "labelled"])
def test_an_attack_is_told_what_it_declares(knowledge, data, monkeypatch) -> None:
    monkeypatch.setattr(Looking, "knowledge", knowledge)
    monkeypatch.setattr(Looking, "data", data)
    tasks, backbone = (
        tuple(synthetic_task(name) for name in NAMES),
        tiny_backbone("mini_vit"),
    )
    space = registry().get(Space, "full")()
    kinds = ("none", "trap2-0", "none")
    files = [
        update.labelled(f"runs/releases/{name}-{kind}")
        for update, name, kind in zip(updates_of(backbone, 3), NAMES, kinds, strict=True)
    ]
    problem = DataMergeProblem(files, backbone=backbone, tasks=tasks, space=space, target=NAMES[1])
    problem.merge(Looking(inputs_per_task=4))
    given = Looking.seen.pop()
    assert tuple(update.label for update in given.updates) == NAMES
    assert not any(kind in repr(given) for kind in ("trap2", "releases"))
    assert given.target == (NAMES[1] if knowledge == "informed" else None)
    for task in given.tasks:
        assert len(task.splits["train"]) == 4
        assert len(task.splits["test"]) == 0
        for split in (task.splits["train"], task.splits["val"]):
            assert bool(split.labels.eq(-1).all()) == (data == "unlabelled")


def test_an_attack_is_given_no_inputs_of_tasks_that_it_does_not_look_at() -> None:
    backbone = tiny_backbone("mini_vit")
    tasks = [synthetic_task(name) for name in NAMES]
    space = registry().get(Space, "full")()
    problem = DataMergeProblem(
        updates_of(backbone, 3), backbone=backbone, tasks=tasks, space=space, target=NAMES[1]
    )
    problem.merge(Looking(inputs_per_task=4, everywhere=False))
    given = Looking.seen.pop()
    assert [len(task.splits["train"]) for task in given.tasks] == [0, 4, 0]
    assert [len(task.splits["val"]) > 0 for task in given.tasks] == [False, True, False]
    assert not any(len(task.splits["test"]) for task in given.tasks)


@pytest.mark.parametrize("attack", ATTACKS, ids=title)
def test_only_an_informed_attack_is_about_a_target(attack) -> None:
    aimed = attack().targeted or not attack().looks_at_others
    assert attack.knowledge == "informed" or not aimed


def test_a_blind_attack_about_a_target_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(Looking, "targeted", property(lambda attack: True))
    backbone = tiny_backbone("mini_vit")
    given = MergeData(backbone=backbone, updates=(), tasks=(), seed=0)
    with pytest.raises(PluginError, match="which a blind attack is not told"):
        Looking()(given)
