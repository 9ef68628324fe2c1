"""Merging a set of updates of which one may be protected, by an attack that knows which."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mergebench.backbones import Backbone
from mergebench.contracts import InformedMerger, Space, Suspected
from mergebench.merging.memory import UpdateMemory
from mergebench.merging.merged_sets import MergedSets
from mergebench.merging.nameless import Nameless
from mergebench.merging.problem import Problem, check_compatible
from mergebench.updates import MergePath, Update


class InformedProblem(Problem[InformedMerger]):
    """`T` updates in one space, of which that at `place` may be protected.

    `known`: as of `MergeProblem`, which merges those of the updates that an attack asks for; what
    it finds out about a set of them serves all hyper-parameters. `base`: as of `Suspected`. Raises
    `InputError` when the updates do not agree in sites, shapes or dtypes.
    """

    def __init__(
        self,
        updates: Sequence[Update],
        *,
        place: int,
        space: Space,
        seed: int = 0,
        known: UpdateMemory | None = None,
        base: Callable[[], Backbone] | None = None,
    ) -> None:
        check_compatible(updates)
        self.updates = tuple(updates)
        self._known_as = Nameless(updates, [f"update {place}" for place in range(len(updates))])
        self.place = place
        self.space = space
        self.seed = seed
        self._sets = MergedSets(space, seed, known)
        known = UpdateMemory() if known is None else known
        self._kept = known.of("made of it", self.updates[place].sha256)
        self._base = base
        self._notes: dict[str, dict[str, float]] = {}

    def path(self, attack: InformedMerger) -> MergePath:
        """Return the path of `attack`.

        Raises `InputError` when it has no rule, or one that is not defined in this space,
        `ArithmeticError` as `MergeProblem.merge`, and `PluginError` when a contract is broken.
        """
        rule = attack.required_rule()

        def merged(
            updates: Sequence[Update], coefficients: Sequence[float] | None = None
        ) -> Update:
            found = self._sets.merged(self._known_as.named(updates), rule, coefficients)
            for what, value in self._sets.notes(rule).items():
                given.note(what, value)
            return found

        given = Suspected(
            updates=self._known_as.shown,
            place=self.place,
            merged=merged,
            seed=self.seed,
            kept=self._kept,
            base=self._base,
        )
        path = attack(given)
        self._notes[attack.label] = given.notes
        return path

    def notes(self, attack: InformedMerger) -> dict[str, float]:
        """Return what `attack` noted on its last path, and the rule and space at the merges of it.

        The smallest values.
        """
        return dict(self._notes.get(attack.label, {}))
