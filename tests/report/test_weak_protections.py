"""Protections that protect nothing are unmasked: little is denied, and surely not half."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from report_data import CONTEXT

from mergebench.measure import Estimate, Level, Measurements, Merged
from mergebench.measure.cell import packed
from mergebench.report.leaderboard import Standing, leaderboard

TASKS = tuple("abcdefgh")
INPUTS, VALIDATION = 400, 64
BLIND = Level(knowledge="blind", data="none", attacks=("ta@full", "tsv@full"))
INFORMED = Level(knowledge="informed", data="none", attacks=("hold:ta@full",))
YARDSTICK = "leave_out:ta@full"
SHARES = {"none": 0.75, "permuted": 0.75, "noisy": 0.74, "trap": 0.45}
"""Expected accuracy on the target of the merge with an update of that protection."""


class Inputs:
    """Test inputs and how hard they are: models have right what their accuracy is above."""

    def __init__(self) -> None:
        draws = np.random.default_rng(5)
        self.hard = {task: draws.random(INPUTS) for task in TASKS}
        self.draws = draws

    def merge(self, protection: str, target: str, name: str, share: float) -> Merged:
        """Return a merge with `share` on the target and 0.6 on the others, each a bit off."""
        attack, space = name.split("@")
        hits = {}
        for task in TASKS:
            own = share if task == target else 0.6
            own_noise = 0.02 if protection == "noisy" else 0.0
            hits[task] = self.hard[task] + own_noise * self.draws.normal(size=INPUTS) < own
        right = {task: int(own.sum()) for task, own in hits.items()}
        validated = {task: round(VALIDATION * one / INPUTS) for task, one in right.items()}
        return Merged(
            seed=0,
            protection=protection,
            target=target,
            attack=attack,
            space=space,
            alpha=0.3,
            options={},
            points=1,
            correct=right,
            sizes=dict.fromkeys(TASKS, INPUTS),
            hits={task: packed(own.tolist()) for task, own in hits.items()},
            validated=validated,
            validation_sizes=dict.fromkeys(TASKS, VALIDATION),
            confirmed=validated,
            confirmation_sizes=dict.fromkeys(TASKS, VALIDATION),
        )


@pytest.fixture(scope="module")
def standings() -> dict[tuple[str, str], Standing]:
    inputs = Inputs()
    attacks = {"ta@full": 0.95, "tsv@full": 1.0, "hold:ta@full": 0.98}
    merges = [
        inputs.merge(protection, task, name, share * factor)
        for task in TASKS
        for protection, share in SHARES.items()
        for name, factor in attacks.items()
    ]
    merges += [inputs.merge("none", task, YARDSTICK, 0.5) for task in TASKS]
    context = replace(CONTEXT, tasks=TASKS)
    measured = Measurements(context=context, merged=tuple(merges))
    board = leaderboard(measured, (BLIND, INFORMED), (YARDSTICK,))
    return {(one.protection, one.level.knowledge): one for one in board.standings}


def denied(standing: Standing) -> tuple[Estimate, Estimate]:
    overall, target = standing.gain.denied, standing.gain.denied_target
    assert overall is not None
    assert target is not None
    return overall, target


@pytest.mark.parametrize("knowledge", ["blind", "informed"])
@pytest.mark.parametrize("weak", ["permuted", "noisy"])
def test_a_weak_protection_is_unmasked(standings, weak, knowledge) -> None:
    for found in denied(standings[weak, knowledge]):
        assert found.value <= 0.1
        assert found.interval is not None
        assert found.interval.high < 0.5


@pytest.mark.parametrize("knowledge", ["blind", "informed"])
def test_a_strong_protection_is_not(standings, knowledge) -> None:
    for found in denied(standings["trap", knowledge]):
        assert found.value == 1
        assert found.interval is not None
        assert found.interval.low > 0.9
