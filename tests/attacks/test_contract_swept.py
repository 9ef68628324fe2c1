"""What every attack must do whose seed and learning rate are swept; registered ones are tested."""

from __future__ import annotations

from dataclasses import replace

import pytest
from few_updates import merge_data, random_update
from narrow_towers import narrow_backbone
from training import TINY

from attacks.task_arithmetic import TaskArithmetic
from mergebench.backbones import Backbone
from mergebench.contracts import DataMerger, MergeData, OnRule, SweptMerger
from mergebench.errors import InputError
from mergebench.measure.cell import Method
from mergebench.registry import registry
from mergebench.train import TrainingRecipe

ATTACKS = [
    found.plugin for found in registry().all(DataMerger) if issubclass(found.plugin, SweptMerger)
]
FEW = {"steps": 3, "epochs": 1, "batch_size": 4}
SWEEP = ("attempts", "attempt", "learning_rate_factors", "learning_rate_factor")
EACH = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    found = narrow_backbone()
    found.tower.transformer.resblocks = found.tower.transformer.resblocks[:1]
    return found


def small(attack: type[SweptMerger]) -> SweptMerger:
    known = attack().options()
    few: dict[str, object] = {name: value for name, value in FEW.items() if name in known}
    if isinstance(known.get("recipe"), TrainingRecipe):
        few["recipe"] = replace(TINY, steps=3, learning_rate=1e-2, precision="fp32")
    if issubclass(attack, OnRule):
        few["rule"] = TaskArithmetic()
    return attack().with_options(inputs_per_task=8, **few)


def given_to(attack: SweptMerger, backbone: Backbone) -> MergeData:
    start = None if attack.starts_from is None else random_update(backbone, 7).scaled(0.3)
    if not isinstance(attack, OnRule):
        return merge_data(attack, backbone, start=start)
    # The stand-in, which every rule would merge, is what the training gave.
    return merge_data(attack, backbone, merged=lambda updates, rule: updates[0])


def trained(attack: SweptMerger, backbone: Backbone, **options: object) -> tuple[str, object]:
    """Return the hash of the merge, and how many inputs were seen, where the attack notes it."""
    given = given_to(attack, backbone)
    return attack.with_options(**options)(given).sha256, given.notes.get("images")


@EACH
def test_each_attempt_and_learning_rate_gives_another_merge_of_the_same_inputs(attack, backbone):
    rule = small(attack)
    swept = {"attempts": 3, "learning_rate_factors": (1.0, 0.3)}
    first, seen = trained(rule, backbone)
    assert trained(rule, backbone, **swept) == (first, seen), "attempt 0 is the only one"
    second = trained(rule, backbone, **swept, attempt=1)
    assert trained(rule, backbone, attempt=1) == second, "equal attempts differ"
    others = [
        second,
        trained(rule, backbone, **swept, attempt=2),
        trained(rule, backbone, **swept, learning_rate_factor=0.3),
    ]
    assert len({first, *(one for one, _ in others)}) == 4
    assert {number for _, number in others} == {seen}


@EACH
def test_one_attempt_is_searched_recorded_and_stated_as_before(attack):
    rule = small(attack)
    for where in (rule.searched, Method.of(rule).options, rule.stated()):
        assert not set(SWEEP) & where.keys()
    swept = rule.with_options(attempts=2, learning_rate_factors=(1.0, 0.3))
    assert {name: swept.searched[name] for name in SWEEP if name in swept.searched} == {
        "attempt": (0, 1),
        "learning_rate_factor": (1.0, 0.3),
    }
    for where in (Method.of(swept).options, swept.stated()):
        assert (where["attempts"], where["learning_rate_factors"]) == (2, (1.0, 0.3))
    assert Method.of(swept.with_options(attempt=1)).options["attempt"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attempts": 0}, "attempts is 0"),
        ({"attempt": -1}, "attempt is -1"),
        ({"learning_rate_factors": (1.0, 0.0)}, "learning_rate_factor is 0.0"),
        ({"learning_rate_factors": (0.3, 3.0)}, "own learning rate, has to be among them"),
    ],
)
@EACH
def test_a_sweep_that_cannot_be_is_refused(attack, options, message):
    with pytest.raises(InputError, match=f"attack {attack.name}: .*{message}"):
        small(attack).with_options(**options)
