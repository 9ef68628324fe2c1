"""Merging a set of updates with the help of data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mergebench.backbones import Backbone, Precision
from mergebench.contracts import DataMerger, MergeData, Merger, OnRule, Space, UnfitUpdateError
from mergebench.errors import InputError
from mergebench.merging.memory import UpdateMemory
from mergebench.merging.merged_sets import MergedSets
from mergebench.merging.nameless import Nameless
from mergebench.merging.problem import Problem, check_compatible
from mergebench.merging.sampling import within_budget, without_inputs
from mergebench.progress import Reached, unheard
from mergebench.suites import Task
from mergebench.updates import MergePath, Update


class DataMergeProblem(Problem[DataMerger]):
    """`T` updates of one backbone and the tasks that they were trained for, in the same order.

    `start`: returns the merge that the attack starts from, its coefficient included. `precision`:
    of the forward passes. `known`: as of `MergeProblem`; what an attack made of equal updates
    serves other problems of these tasks too. `reached`: is told how much of a merge is made.
    Raises `InputError` when the updates do not agree in sites, shapes or dtypes.
    """

    def __init__(
        self,
        updates: Sequence[Update],
        *,
        backbone: Backbone,
        tasks: Sequence[Task],
        space: Space,
        seed: int = 0,
        target: str | None = None,
        start: Callable[[], Update] | None = None,
        precision: Precision = "fp32",
        known: UpdateMemory | None = None,
        reached: Reached = unheard,
    ) -> None:
        if len(updates) != len(tasks):
            raise ValueError(f"{len(updates)} updates for {len(tasks)} tasks")
        check_compatible(updates)
        self.updates = tuple(updates)
        self._known_as = Nameless(updates, [task.name for task in tasks])
        self.space = space
        self.seed = seed
        self._backbone = backbone
        self._tasks = tuple(tasks)
        self._target = target
        self._start = start
        self._precision: Precision = precision
        self._reached = reached
        self._known = UpdateMemory() if known is None else known
        self._sets = MergedSets(space, seed, self._known)
        self._notes: dict[str, dict[str, float]] = {}

    def merge(self, merger: DataMerger) -> Update:
        """Return the merged update `D` of `merger`, from the inputs within its budget.

        Raises `InputError` when a split has fewer inputs than the budget, and `PluginError` when
        the attack breaks its contract.
        """
        given = MergeData(
            backbone=self._backbone,
            updates=self._known_as.shown,
            tasks=tuple(self._seen(task, merger) for task in self._tasks),
            seed=self.seed,
            target=self._target if merger.knowledge == "informed" else None,
            start=None if self._start is None else self._start(),
            precision=self._precision,
            merged=self._merged,
            kept=self._known.of(
                "made", *(one.sha256 for one in self.updates), self._target, self.seed
            ),
            reached=self._reached,
        )
        try:
            merged = merger(given)
        except UnfitUpdateError as error:
            raise InputError(f"{self.updates[error.place].label}: {error}") from None
        built_on = merger.rule if isinstance(merger, OnRule) else None
        self._notes[merger.label] = {
            **given.notes,
            **({} if built_on is None else self._sets.notes(built_on)),
        }
        return merged

    def _seen(self, task: Task, merger: DataMerger) -> Task:
        if merger.looks_at_others or task.name == self._target:
            return within_budget(task, merger, self.seed)
        return without_inputs(task)

    def _merged(self, updates: Sequence[Update], rule: Merger) -> Update:
        return self._sets.merged(self._known_as.named(updates), rule)

    def path(self, merger: DataMerger) -> MergePath:
        """Return `alpha D`; errors as of `merge`."""
        return MergePath(direction=self.merge(merger))

    def notes(self, merger: DataMerger) -> dict[str, float]:
        """Return what `merger` noted at its last merge."""
        return dict(self._notes.get(merger.label, {}))
