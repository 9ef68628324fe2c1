"""RegMean whose target weighs more: from RegMean itself to the target's own update."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_tower import (
    full_updates,
    linear_inputs,
    low_rank_updates,
    parameters,
    small_backbone,
    tasks_of,
)
from synthetic import distance
from torch import Tensor

from attacks.regmean import RegMean
from attacks.regmean_weighted import WeightedRegMean
from mergebench.contracts import DataMerger, MergeData
from mergebench.errors import InputError
from mergebench.suites import Task
from mergebench.updates import Update

FIRST = "transformer.resblocks.0.mlp.c_fc"
"""A linear whose inputs are the same in every expert if nothing else is changed."""
PLACE = 1


def merged(attack: DataMerger, updates: list[Update], tasks: tuple[Task, ...], target=PLACE):
    return attack.merge(
        MergeData(
            backbone=small_backbone(),
            updates=tuple(updates),
            tasks=tasks,
            seed=0,
            target=None if target is None else tasks[target].name,
        )
    )


def few_of_the_target(tasks: tuple[Task, ...]) -> tuple[Task, ...]:
    """Return the tasks with a single input of the target: fewer tokens than the linear is wide."""
    own = tasks[PLACE].splits["train"]
    one = replace(own, inputs=own.inputs[:1], labels=own.labels[:1])
    few = replace(tasks[PLACE], splits={**tasks[PLACE].splits, "train": one})
    return (*tasks[:PLACE], few, *tasks[PLACE + 1 :])


def grams(tasks: tuple[Task, ...]) -> list[Tensor]:
    base = parameters(small_backbone())
    inputs = [
        torch.from_numpy(linear_inputs(base, task.splits["train"].inputs)[FIRST]) for task in tasks
    ]
    return [rows.T @ rows / len(rows) for rows in inputs]


@pytest.mark.parametrize("make", [low_rank_updates, full_updates])
def test_at_weight_1_it_is_regmean(make) -> None:
    updates, tasks = make(3), tasks_of(3)
    plain = merged(RegMean(shrink=1.0), updates, tasks, target=None)
    assert merged(WeightedRegMean(weight=1.0), updates, tasks).sha256 == plain.sha256


@pytest.mark.parametrize("weight", [10.0, 1000.0])
def test_normal_equations_hold_with_the_weight(weight) -> None:
    updates, tasks = low_rank_updates(3, [FIRST]), tasks_of(3)
    found = merged(WeightedRegMean(weight=weight, ridge=1e-10), updates, tasks).sites[FIRST]
    parts = [
        (weight if place == PLACE else 1)
        * (found.dense() - update.sites[FIRST].dense()).double()
        @ gram
        for place, (update, gram) in enumerate(zip(updates, grams(tasks), strict=True))
    ]
    assert float(sum(parts).norm()) < 1e-4 * max(float(part.norm()) for part in parts)


def test_a_large_weight_keeps_the_target_on_its_inputs_and_is_free_elsewhere() -> None:
    updates, tasks = low_rank_updates(3, [FIRST]), few_of_the_target(tasks_of(3))
    own, all_grams = updates[PLACE].sites[FIRST].dense().double(), grams(tasks)
    attack = WeightedRegMean(weight=1e8, ridge=1e-16)
    found = merged(attack, updates, tasks).sites[FIRST].dense().double()
    assert distance(found @ all_grams[PLACE], own @ all_grams[PLACE]) < 1e-5

    values, directions = torch.linalg.eigh(all_grams[PLACE])
    unused = directions[:, values < 1e-9 * values[-1]]
    assert unused.shape[1] == 16 - 5  # tokens
    assert distance(found @ unused, own @ unused) > 0.1
    others = [
        (found - update.sites[FIRST].dense().double()) @ gram @ unused
        for place, (update, gram) in enumerate(zip(updates, all_grams, strict=True))
        if place != PLACE
    ]
    assert float(sum(others).norm()) < 1e-4 * max(float(part.norm()) for part in others)


def test_with_shrinkage_a_large_weight_gives_the_target_everywhere() -> None:
    updates, tasks = low_rank_updates(3, [FIRST]), tasks_of(3)
    found = merged(WeightedRegMean(weight=1e8, shrink=0.5), updates, tasks).sites[FIRST].dense()
    assert distance(found, updates[PLACE].sites[FIRST].dense()) < 1e-4


def test_a_weight_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"attack regmean_weighted: weight is 0\.0; give a number"):
        WeightedRegMean(weight=0.0)
