"""What a merge is of, by which its cell is known before anything is read or merged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self

from mergebench.contracts import Attack, Space
from mergebench.measure import Cell, Method, Protocol
from mergebench.merging import AttackT, Problem


@dataclass(frozen=True, kw_only=True)
class Posed(Generic[AttackT]):
    """What of a problem the key of a cell needs, and the problem itself for who has to solve it.

    `protection`: of the update of `target`, whose accuracy is asked for; None means every task's in
    turn. `updates`: SHA-256 of each, in order. `problem` has them read or trained, so that what was
    measured is found where a store has their records alone.
    """

    protection: Method
    target: str | None
    space: Space
    seed: int
    updates: tuple[str, ...]
    problem: Callable[[], Problem[AttackT]]

    @classmethod
    def of(cls, problem: Problem[AttackT], *, protection: Method, target: str | None) -> Self:
        """Return a problem whose updates are at hand."""
        return cls(
            protection=protection,
            target=target,
            space=problem.space,
            seed=problem.seed,
            updates=tuple(update.sha256 for update in problem.updates),
            problem=lambda: problem,
        )

    def identity(self, attack: AttackT) -> dict[str, Any]:
        """Return the fields of `CellInputs` that say which merge of what a cell is of."""
        return {
            "seed": self.seed,
            "protection": self.protection,
            "target": self.target,
            "attack": Method.of(attack),
            "space": Method.of(self.space),
            "updates": self.updates,
        }


def search_record(
    protocol: Protocol,
    merger: Attack,
    per_task: int | None,
    *,
    norms: Mapping[str, float],
    start: Cell | None,
) -> dict[str, Any]:
    """Return what a cell says of the search of a merge, and of the merge that it starts from.

    `per_task`: how many validation inputs it looks at, None for all; `norms`, `start`: as of
    `Workbench.merged`.
    """
    return {
        **protocol.record(),
        "alphas": merger.all_alphas(protocol.alphas),
        "search_per_task": per_task,
        "norms": norms,
        "structures": merger.searched,
        **({} if start is None else {"start": start.key}),
    }
