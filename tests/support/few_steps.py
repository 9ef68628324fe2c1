"""Attacks that go step by step, with few steps where their number is not the point."""

from __future__ import annotations

from typing import TypeVar

from mergebench.contracts import Attack

STEPS = 3

AnAttack = TypeVar("AnAttack", bound=Attack)


def with_few_steps(attack: AnAttack) -> AnAttack:
    """Return the attack; of steps, all of which are alike, it takes few."""
    return attack.with_options(steps=STEPS) if "steps" in attack.options() else attack
