"""What every attack says of itself: its threat model, where it is defined, what is searched."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, final, get_args

from mergebench.contracts.merge_part import MergePart
from mergebench.contracts.plugin import are_numbers, require
from mergebench.errors import InputError

Knowledge = Literal["blind", "informed"]
"""Whether an attack knows which update may be protected."""

DataUse = Literal["none", "unlabelled", "labelled"]
"""What an attack is given of the tasks, beyond the inputs on which coefficients are searched."""


@dataclass(frozen=True, kw_only=True)
class Attack(MergePart, ABC):
    """A way to combine released updates into one: a `Merger`, `InformedMerger` or `DataMerger`.

    `knowledge` and `data` are the threat model; `takes_protected`: whether the update that may be
    protected is used at all. `spaces` lists where it is defined; `grid` the structural
    hyper-parameters that a search visits, in order; `alphas` the merging coefficients, None for
    those of the protocol.
    `multipliers`: of `grid`, what multiplies updates as `alpha` does.
    """

    kind: ClassVar[str] = "attack"
    knowledge: ClassVar[Knowledge] = "blind"
    data: ClassVar[DataUse] = "none"
    takes_protected: ClassVar[bool] = True
    spaces: ClassVar[tuple[str, ...]] = ("full",)
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {}
    alphas: ClassVar[tuple[float, ...] | None] = None
    multipliers: ClassVar[tuple[str, ...]] = ()

    @property
    def label(self) -> str:
        """What records call it: its name, and the rule that it is built on, if any."""
        return self.name

    @property
    def targeted(self) -> bool:
        """Whether the result depends on the target, also if no update is protected."""
        return False

    @property
    def visited(self) -> Mapping[str, tuple[float, ...]]:
        """`grid`, for an attack whose options leave values of it out without those."""
        return self.grid

    @property
    def searched(self) -> Mapping[str, tuple[float, ...]]:
        """The hyper-parameters that a search visits, those of a rule that it is built on too."""
        return self.visited

    @property
    def built_on(self) -> Attack | None:
        """The rule that it is built on, if any."""
        return None

    @final
    def parts(self) -> tuple[Attack, ...]:
        """Return the attack, the rule that it is built on, the one that this is built on, ..."""
        return (self, *(() if self.built_on is None else self.built_on.parts()))

    @final
    def check_space(self, space: str) -> None:
        """Raise `InputError` unless the attack, and what it is built on, is defined in `space`."""
        defined = [name for name in self.spaces if all(name in one.spaces for one in self.parts())]
        for part in self.parts():
            if space not in part.spaces:
                on = f", which {self.name} is built on," if part is not self else ""
                raise InputError(
                    f"attack {part.name}{on} is not defined in space {space}; "
                    f"choose from: {', '.join(defined)}"
                )

    @property
    def least_notes(self) -> Mapping[str, float]:
        """`smallest`, and what a rule that it is built on says of its notes."""
        return {
            what: least for part in reversed(self.parts()) for what, least in part.smallest.items()
        }

    @property
    def nothing_at_zero(self) -> bool:
        """Whether the coefficient 0 leaves W0, whatever the hyper-parameters are."""
        return self.alphas is None

    def at_edge(self) -> Mapping[str, float]:
        """Return the `multipliers` that have the smallest or largest value that a search visits.

        With their values; 0 is no edge.
        """
        now = {name: self.option(name) for name in self.multipliers}
        return {name: own for name, own in now.items() if is_edge(own, self.visited[name])}

    def contains(self, alpha: float) -> bool:
        """Whether the mixture at `alpha` has anything of what was merged in it."""
        return alpha != 0 or not self.nothing_at_zero

    def sweeps(self, usual: tuple[float, ...]) -> tuple[tuple[float, ...], ...]:
        """Return the merging coefficients that a search visits, by sweep.

        `usual`: those of its protocol. A sweep may be broken off, which the next one is not told.
        """
        return (usual if self.alphas is None else self.alphas,)

    @final
    def all_alphas(self, usual: tuple[float, ...]) -> tuple[float, ...]:
        """Return those of all `sweeps`, in the order of visits."""
        return tuple(alpha for sweep in self.sweeps(usual) for alpha in sweep)

    def option(self, name: str) -> Any:
        """Return the value of one hyper-parameter of `searched`."""
        return getattr(self, name)

    def check_count(self, count: int) -> None:
        """Raise `InputError` where the hyper-parameters do not fit a merge of `count` updates.

        Those of a rule that it is built on too.
        """
        if self.built_on is not None:
            self.built_on.check_count(count)

    def turn(self, number: int, count: int) -> Mapping[str, Any] | None:
        """Return what to change ahead of search `number`, from 1 on; None if there is no other.

        An attack with more hyper-parameters than can be searched at once has them searched in
        turns. `self` has the options of the best point so far; `count`: of updates. These searches
        visit `visited`; the hyper-parameters of a rule stay as the first one, of all, chose them.
        """
        return None

    @classmethod
    def check_class(cls) -> None:
        """Check what a part of a merge says of itself, then threat model, spaces and grid.

        Whether there are such spaces is not asked: other plug-ins may bring them.
        """
        super().check_class()
        for what, kinds in (("knowledge", Knowledge), ("data", DataUse)):
            value, known = getattr(cls, what), get_args(kinds)
            require(value in known, f"{what} is {value!r}; choose from: {', '.join(known)}")
        spaces: object = cls.spaces
        named = isinstance(spaces, tuple) and all(isinstance(one, str) and one for one in spaces)
        require(named and spaces != (), f"spaces is {spaces!r}; give a tuple of names")
        options = [item.name for item in fields(cls)]
        grid: object = cls.grid
        require(isinstance(grid, Mapping), f"grid is {grid!r}; give a mapping of tuples of numbers")
        for key, values in cls.grid.items():
            require(key in options, f"grid has {key!r}, which is no field: {', '.join(options)}")
            require(are_numbers(values), f"grid[{key!r}] is {values!r}; give a tuple of numbers")
        for key in cls.multipliers:
            require(key in cls.grid, f"multipliers has {key!r}, which is not in grid")
        alphas: object = cls.alphas
        ok = alphas is None or are_numbers(alphas)
        require(ok, f"alphas is {alphas!r}; give a tuple of numbers, or None")


def is_edge(value: float, grid: Sequence[float]) -> bool:
    """Whether the best of a grid is its smallest or largest.

    0 is no edge: nothing lies beyond an update that is left out. Neither is a grid without choice.
    """
    return len(grid) > 1 and value != 0 and value in (min(grid), max(grid))
