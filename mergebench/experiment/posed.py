"""A set of updates to be merged, known by hash before it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Self

from mergebench.contracts import Space
from mergebench.merging import AttackT, Problem


@dataclass(frozen=True, kw_only=True)
class Posed(Generic[AttackT]):
    """What of a problem the key of a cell needs, and the problem itself for who has to solve it.

    `updates`: SHA-256 of each, in order. `problem` has them read or trained, so that what was
    measured is found where a store has their records alone.
    """

    space: Space
    seed: int
    updates: tuple[str, ...]
    problem: Callable[[], Problem[AttackT]]

    @classmethod
    def of(cls, problem: Problem[AttackT]) -> Self:
        """Return a problem whose updates are at hand."""
        return cls(
            space=problem.space,
            seed=problem.seed,
            updates=tuple(update.sha256 for update in problem.updates),
            problem=lambda: problem,
        )
