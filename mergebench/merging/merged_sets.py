"""Merging several sets of updates of one kind, each of them encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakValueDictionary

from mergebench.contracts import Merger, Room, Space
from mergebench.merging.memory import UpdateMemory
from mergebench.merging.problem import MergeProblem
from mergebench.updates import Update

_KEPT = 8
"""Sets of updates whose problems are kept; an attack that scales updates has many sets."""


class MergedSets:
    """Merges the sets of updates that an attack asks for by any rule, in one space.

    What is found out about a set serves all rules and hyper-parameters, and a merge that somebody
    still holds is not made again. `known`: as of `MergeProblem`.
    """

    def __init__(self, space: Space, seed: int, known: UpdateMemory | None = None) -> None:
        self._space = space
        self._seed = seed
        self._known = known
        self._room = Room()
        self._problems: dict[tuple[object, ...], MergeProblem] = {}
        self._last: MergeProblem | None = None
        self._made: WeakValueDictionary[tuple[object, ...], Update] = WeakValueDictionary()

    def merged(
        self,
        updates: Sequence[Update],
        rule: Merger,
        coefficients: Sequence[float] | None = None,
    ) -> Update:
        """Return `D` of these updates; `coefficients` and errors as of `MergeProblem`."""
        key = (*(update.sha256 for update in updates), *(coefficients or ()))
        found = self._problems.pop(key, None) or MergeProblem(
            updates,
            space=self._space,
            seed=self._seed,
            coefficients=coefficients,
            room=self._room,
            known=self._known,
        )
        self._problems[key] = self._last = found
        if len(self._problems) > _KEPT:
            del self._problems[next(iter(self._problems))]  # the one used longest ago
        made = self._made.get((*key, repr(rule)))
        if made is None:
            made = self._made[*key, repr(rule)] = found.merge(rule)
        return made

    def notes(self, rule: Merger) -> dict[str, float]:
        """Return what `rule` noted at the last merge."""
        return {} if self._last is None else self._last.notes(rule)
