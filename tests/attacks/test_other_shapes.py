"""Every attack on tensors that are no matrices, against float64 NumPy written from the papers."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
import torch
from numpy.typing import NDArray
from synthetic import SITE, dense, distance, merge

from mergebench.contracts import Merger, Site
from mergebench.registry import registry

SHAPES = {"kernel": (6, 4, 3, 3), "depthwise kernel": (10, 1, 7, 7), "norm": (48,)}
TASKS = 8


def mean(stack: oracle.Matrix, options: dict[str, Any], draw: oracle.Draw) -> oracle.Matrix:
    return stack.mean(axis=0)


# Element-wise rules treat any shape alike, each tensor on its own; the spectral ones average.
RULES = {**oracle.RULES, "tsv": mean, "cart": mean}
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "ties": [{"top_k": 30.0}, {"top_k": 100.0}, {"top_k": 20.0, "inclusive": False}],
    "dare": [{"drop": 0.4}],
    "dare_ties": [{"drop": 0.3, "top_k": 40.0}],
    "tsv": [{"rank_mode": "signal"}, {"rank_mode": "reference"}],
    "cart": [{"rank_fraction": 0.08}, {"form": "original", "lam": 0.7}],
}
CASES = [
    pytest.param(attack, options, id=f"{attack.name}({options})")
    for attack in (found.plugin for found in registry().all(Merger))
    if attack.name in RULES
    for options in OPTIONS.get(attack.name, [{}])
]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(("attack", "options"), CASES)
def test_against_numpy(
    attack: type[Merger], options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    changes = dense(shape, TASKS, seed=3)
    site = Site(name=SITE, shape=(0, 0))

    def draw(task: int, drawn: tuple[int, ...]) -> NDArray[np.float64]:
        return torch.rand(drawn, generator=site.generator("dare", task)).numpy()

    stack = np.stack([change.delta.numpy().reshape(1, -1) for change in changes])
    settings = {**attack().options(), **options}
    expected = RULES[attack.name](stack, settings, draw).reshape(shape)
    found = merge(changes, attack.name, **options)
    assert found.shape == shape
    assert distance(found, torch.from_numpy(expected)) < 1e-12


@pytest.mark.parametrize("name", ["tsv", "cart"])
def test_a_position_embedding_is_a_matrix(name: str) -> None:
    """It is 2-D and full of signal, so it is merged as one, at `k = int(17 / 8)` for TSV."""
    changes = dense((17, 32), TASKS, seed=4)
    stack = np.stack([change.delta.numpy() for change in changes])
    attack = registry().get(Merger, name)
    expected = oracle.RULES[name](stack, attack().options(), lambda task, shape: stack[0])
    assert distance(merge(changes, name), torch.from_numpy(expected)) < 1e-10
    assert distance(merge(changes, name), torch.from_numpy(stack.mean(axis=0))) > 0.05
