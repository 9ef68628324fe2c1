"""Several sets of updates, each merged no more often than it is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from informed import PLACE, problem, updates
from torch import Tensor

from attacks.hold import Hold
from mergebench.contracts import Merger, Site


@dataclass(frozen=True, kw_only=True)
class Counted(Merger):
    """Adds up, and counts how often."""

    name: ClassVar[str] = "counted"
    paper: ClassVar[str] = "tests"
    calls: ClassVar[list[str]] = []

    factor: float = 1.0

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        self.calls.append(site.name)
        return self.factor * stack.sum(dim=0)


def test_a_merge_that_is_held_is_not_made_again() -> None:
    merges, attack = problem(updates()), Hold(rule=Counted())
    Counted.calls.clear()
    first = merges.path(attack)
    once = len(Counted.calls)
    again = merges.path(attack.with_options(nominal=0.9))
    assert again.direction is first.direction
    assert len(Counted.calls) == once == len(first.direction.sites)
    assert again.fixed.sha256 == updates()[PLACE].scaled(0.9).sha256
    merges.path(attack.with_options(factor=2.0))
    assert len(Counted.calls) == 2 * once


def test_a_merge_that_nobody_holds_is_not_kept() -> None:
    merges, attack = problem(updates()), Hold(rule=Counted())
    Counted.calls.clear()
    merges.path(attack)
    once = len(Counted.calls)
    merges.path(attack)
    assert len(Counted.calls) == 2 * once
