"""One site during a merge, and what it remembers for the next one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from mergebench.contracts.room import Kept, Room
from mergebench.seeding import generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Value = TypeVar("Value")

Stacks = Callable[[], "Iterator[Tensor]"]
"""Yields, whenever it is called, the representatives `(T, a, b)` of one site after the other."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Site:
    """One site during a merge, as a combination rule sees it.

    `shape`: `(a, b)` of the representatives the rule is defined on; their smaller side is the `K`
    from which rules derive ranks. It may exceed the shape of the tensors at hand, because a
    rotation-invariant rule is evaluated in smaller coordinates that give the same result.
    `matrix`: whether the representatives are matrices; other tensors come flattened to `(1, d)`.
    `dtype`: of the updates; representatives are exact to its rounding, however finely written.
    `notes`: where a rule writes down what it learns of its bases on the way (see
    `Merger.smallest`).
    """

    name: str
    shape: tuple[int, int]
    seed: int = 0
    matrix: bool = True
    dtype: torch.dtype | None = None
    notes: dict[str, float] = field(default_factory=dict, repr=False)
    _memory: dict[str, Any] = field(default_factory=dict, repr=False)
    _kept: dict[str, Kept[Any]] = field(default_factory=lambda: defaultdict(Kept), repr=False)
    _own: Sequence[dict[str, Any]] = field(default_factory=list, repr=False)
    _room: Room = field(default_factory=Room, repr=False)
    _shared_room: Room = field(default_factory=Room, repr=False)
    _stacks: Stacks | None = field(default=None, repr=False)
    _of_model: dict[str, Any] = field(default_factory=dict, repr=False)

    def generator(self, purpose: str, task: int) -> torch.Generator:
        """Return the generator of this (seed, purpose, task, site): equal calls, equal draws."""
        return generator(self.seed, purpose, task, self.name)

    def once(self, key: str, compute: Callable[[], Value], *, size: int = 0) -> Value:
        """Return `compute()`, remembered for the next merge of the same representatives.

        For what does not depend on the hyper-parameters that a search varies: sorted magnitudes,
        spectra. The value must not be changed in place. What `compute` notes is noted again with
        the value: other rules may have written to the same names since. `size`: the bytes of the
        value, if they are many; it is remembered as long as the problem has room for them.
        """

        def noted() -> tuple[Value, dict[str, float]]:
            before = dict(self.notes)
            self.notes.clear()
            value = compute()
            notes = dict(self.notes)
            self.notes.update(before)
            return value, notes

        place: Kept[tuple[Value, dict[str, float]]] = self._kept[key]
        value, notes = self._room.once(place, noted, lambda _: size)
        self.notes.update(notes)
        return value

    def once_for_all(self, key: str, compute: Callable[[Stacks], Value]) -> Value:
        """Return `compute(stacks)` of all sites of the model, remembered like `once`.

        For what a rule has to know of the whole model, such as its largest entries. `stacks` makes
        the representatives anew at every call, hence few calls, and a small value. Raises
        `ValueError` for a site that belongs to no model.
        """
        if self._stacks is None:
            raise ValueError(f"site {self.name} is no part of a model")
        if key not in self._of_model:
            self._of_model[key] = compute(self._stacks)
        known: Value = self._of_model[key]
        return known

    def once_each(self, key: str, count: int, compute: Callable[[int], Value]) -> list[Value]:
        """Return `compute(i)` of each of `count` updates, remembered like `once`.

        For small values that depend on the representative of one update, its place among the
        updates and the seed: where a representative depends on its update alone, other sets of
        updates share them.
        """
        memories = self._own or [self._memory.setdefault(f"of {i}", {}) for i in range(count)]
        for index, memory in enumerate(memories):
            if key not in memory:
                memory[key] = compute(index)
        return [memory[key] for memory in memories]

    def once_for_sets(
        self, key: str, count: int, compute: Callable[[int], Value], size: Callable[[Value], int]
    ) -> list[Value]:
        """Return `compute(i)` of each of `count` updates, for other sets that these are in.

        As `once_each`, for values of `size` bytes, which are remembered as long as there is room
        for those of all updates; where a representative depends on all of a set, they are not.
        """
        if not self._own:
            return [compute(index) for index in range(count)]
        places: list[Kept[Value]] = [own.setdefault(key, Kept()) for own in self._own]
        return [
            self._shared_room.once(place, partial(compute, index), size)
            for index, place in enumerate(places)
        ]
