"""Merging a set of updates of which one may be protected, by an attack that knows which."""

from __future__ import annotations

from collections.abc import Sequence

from mergebench.contracts import InformedMerger, Merger, Room, Space, Suspected
from mergebench.errors import InputError
from mergebench.merging.memory import UpdateMemory
from mergebench.merging.problem import MergeProblem, Problem, check_compatible
from mergebench.updates import MergePath, Update

_KEPT = 8
"""Sets of updates whose problems are kept; an attack that scales updates has many sets."""


class InformedProblem(Problem[InformedMerger]):
    """`T` updates in one space, of which that at `place` may be protected.

    `known`: as of `MergeProblem`, which merges those of the updates that an attack asks for; what
    it finds out about a set of them serves all hyper-parameters. Raises `InputError` when the
    updates do not agree in sites, shapes or dtypes.
    """

    def __init__(
        self,
        updates: Sequence[Update],
        *,
        place: int,
        space: Space,
        seed: int = 0,
        known: UpdateMemory | None = None,
    ) -> None:
        check_compatible(updates)
        self.updates = tuple(updates)
        self.place = place
        self.space = space
        self.seed = seed
        self._known = known
        self._room = Room()
        self._problems: dict[tuple[str, ...], MergeProblem] = {}
        self._last: MergeProblem | None = None

    def path(self, attack: InformedMerger) -> MergePath:
        """Return the path of `attack`.

        Raises `InputError` when it has no rule, or one that is not defined in this space,
        `ArithmeticError` as `MergeProblem.merge`, and `PluginError` when a contract is broken.
        """
        rule = attack.rule
        if rule is None:
            raise InputError(
                f"attack {attack.name} is built on a rule that merges the other updates: name one, "
                f"such as {attack.name}:ta"
            )
        return attack(
            Suspected(
                updates=self.updates,
                place=self.place,
                merged=lambda updates: self._merged(updates, rule),
                seed=self.seed,
            )
        )

    def notes(self, attack: InformedMerger) -> dict[str, float]:
        """Return what the rule noted at its last merge."""
        if self._last is None or attack.rule is None:
            return {}
        return self._last.notes(attack.rule)

    def _merged(self, updates: Sequence[Update], rule: Merger) -> Update:
        key = tuple(update.sha256 for update in updates)
        found = self._problems.pop(key, None) or MergeProblem(
            updates, space=self.space, seed=self.seed, room=self._room, known=self._known
        )
        self._problems[key] = self._last = found
        if len(self._problems) > _KEPT:
            del self._problems[next(iter(self._problems))]  # the one used longest ago
        return found.merge(rule)
