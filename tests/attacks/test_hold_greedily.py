"""Holding layers by validation: which sites a part has, and how the set of parts grows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from few_updates import random_update
from training import tiny_backbone

from attacks.hold import Hold
from attacks.hold_greedily import PARTS, HoldGreedily
from attacks.spaces.full import Full
from attacks.task_arithmetic import TaskArithmetic
from mergebench.backbones import Backbone
from mergebench.errors import InputError
from mergebench.measure.protocols import CLEAN_EXHAUSTIVE, PAPER
from mergebench.measure.search import search
from mergebench.merging import InformedProblem, merge
from mergebench.updates import Update

GREEDY = HoldGreedily(rule=TaskArithmetic())


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny_backbone("mini_vit")


@pytest.fixture(scope="module")
def problem(backbone: Backbone) -> InformedProblem:
    updates = [random_update(backbone, seed) for seed in range(2)]
    return InformedProblem(updates, place=0, space=Full())


def test_the_parts_are_all_sites_once(backbone) -> None:
    sites = [*backbone.sites]
    parts = [GREEDY.with_options(adding=part).held(sites) for part in range(PARTS)]
    together = [site for part in parts for site in part]
    assert together == GREEDY.with_options(held_parts=(*range(PARTS),)).held(sites)
    assert sorted(together) == sorted(sites)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert GREEDY.held(sites) == []


def test_with_no_part_it_is_the_rule_and_with_all_it_holds(problem) -> None:
    def same(found: Update, expected: Update) -> bool:
        return all(
            torch.equal(change.dense(), expected.sites[site].dense())
            for site, change in found.sites.items()
        )

    rule = merge(TaskArithmetic(), problem.updates, space=Full())
    assert same(problem.path(GREEDY).at(0.3), rule.scaled(0.3))
    every = problem.path(GREEDY.with_options(held_parts=(*range(PARTS),)))
    assert same(every.at(0.3), problem.path(Hold(rule=TaskArithmetic())).at(0.3))


class Preferring:
    """Stands for an evaluator: counts say how many of the wanted parts are held, and no others."""

    def __init__(self, backbone: Backbone, wanted: set[int]) -> None:
        self.backbone, self.wanted = backbone, wanted
        self.first = {
            part: GREEDY.with_options(adding=part).held(backbone.sites)[0] for part in range(PARTS)
        }
        self.before = {part: self.weight(part) for part in range(PARTS)}

    def weight(self, part: int) -> float:
        return float(self.backbone.sites[self.first[part]].weight.double().abs().sum())

    def correct(self, split: str) -> dict[str, int]:
        held = {part for part in range(PARTS) if self.weight(part) != self.before[part]}
        right = sum(100 + part for part in held & self.wanted)
        return {"one": 400 + right - 10 * len(held - self.wanted)}

    def sizes(self, split: str) -> dict[str, int]:
        return {"one": 1000}


@pytest.mark.parametrize("protocol", [CLEAN_EXHAUSTIVE, PAPER], ids=lambda one: one.name)
@pytest.mark.parametrize("wanted", [set(), {4}, {1, 4}, {0, 2, 5}, {*range(PARTS)}], ids=str)
def test_what_validation_wants_is_held(backbone, problem, protocol, wanted, monkeypatch) -> None:
    """With alpha = 0 what is held is all that is deployed."""
    monkeypatch.setattr(HoldGreedily, "more_alphas", (0.0,))
    evaluator = Preferring(backbone, wanted)
    nothing_else = replace(protocol, alphas=(0.0,))
    found = search(problem, GREEDY, evaluator, nothing_else, norms={"one": 1.0})
    chosen = GREEDY.with_options(**found.chosen.options)
    assert {*chosen.held_parts, chosen.adding} - {-1} == wanted
    assert len(found.points) <= (len(wanted) + 1) * (PARTS + 2)


def test_wrong_parts_are_refused() -> None:
    for options in ({"adding": PARTS}, {"held_parts": (0, PARTS)}, {"held_parts": (-1,)}):
        with pytest.raises(InputError, match="attack hold_greedily: "):
            GREEDY.with_options(**options)
