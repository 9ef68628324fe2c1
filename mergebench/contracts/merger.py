"""A merging attack that looks at updates alone, site by site."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final, get_args

from mergebench.contracts.faults import blaming, broken
from mergebench.contracts.plugin import Plugin, are_numbers, is_number, require, require_limits
from mergebench.contracts.site import Site
from mergebench.errors import shape_text

if TYPE_CHECKING:
    from torch import Tensor

    from mergebench.updates import LowRank


Knowledge = Literal["blind", "informed"]
"""Whether an attack knows which update may be protected."""

DataUse = Literal["none", "unlabelled", "labelled"]
"""What an attack is given of the tasks, beyond the inputs on which coefficients are searched."""


@dataclass(frozen=True, kw_only=True)
class Attack(Plugin, ABC):
    """A way to combine released updates into one: a `Merger`, `InformedMerger` or `DataMerger`.

    `knowledge` and `data` are the threat model; `takes_protected`: whether the update that may be
    protected is used at all, `needs_factors`: whether it has to be an adapter, not a full
    checkpoint. `spaces` lists where it is defined; `grid` the structural hyper-parameters that a
    search visits, in order; `alphas` the merging coefficients, None for those of the protocol.
    `multipliers`: of `grid`, what multiplies updates as `alpha` does.
    `smallest` says below which value a note that the attack leaves makes a result doubtful.
    """

    kind: ClassVar[str] = "attack"
    knowledge: ClassVar[Knowledge] = "blind"
    data: ClassVar[DataUse] = "none"
    takes_protected: ClassVar[bool] = True
    needs_factors: ClassVar[bool] = False
    spaces: ClassVar[tuple[str, ...]] = ("full",)
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {}
    alphas: ClassVar[tuple[float, ...] | None] = None
    multipliers: ClassVar[tuple[str, ...]] = ()
    smallest: ClassVar[Mapping[str, float]] = {}

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
    def least_notes(self) -> Mapping[str, float]:
        """`smallest`, of a rule that it is built on too."""
        return self.smallest

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
        """Raise `InputError` where the hyper-parameters do not fit a merge of `count` updates."""

    def turn(self, number: int, count: int) -> Mapping[str, Any] | None:
        """Return what to change ahead of search `number`, from 1 on; None if there is no other.

        An attack with more hyper-parameters than can be searched at once has them searched in
        turns. `self` has the options of the best point so far; `count`: of updates. These searches
        visit `visited`; the hyper-parameters of a rule stay as the first one, of all, chose them.
        """
        return None

    @classmethod
    def check_class(cls) -> None:
        """Check what every plug-in says of itself, then threat model, spaces, grid and notes.

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
        require_limits(cls.smallest)


def is_edge(value: float, grid: Sequence[float]) -> bool:
    """Whether the best of a grid is its smallest or largest.

    0 is no edge: nothing lies beyond an update that is left out. Neither is a grid without choice.
    """
    return len(grid) > 1 and value != 0 and value in (min(grid), max(grid))


@dataclass(frozen=True, kw_only=True)
class Merger(Attack, ABC):
    """A rule that combines the representatives of `T` updates, site by site.

    A rule that commutes with orthonormal bases on both sides (`f(P X_i Q) = P f(X_i) Q`) sets
    `rotation_invariant` and is then evaluated in small coordinates with the same result. What it
    notes goes to `site.notes`.
    """

    @classmethod
    def check_class(cls) -> None:
        """Check what every attack says of itself, then that it looks at updates alone."""
        super().check_class()
        said = cls.knowledge, cls.data
        require(
            said == ("blind", "none"),
            f"knowledge and data are {said}; a Merger treats updates alike and is given no data: "
            "make it an InformedMerger or a DataMerger",
        )

    @final
    def __call__(self, stack: Tensor, site: Site) -> Tensor:
        """Return `combine(stack, site)`, held to its contract; `PluginError` if that is broken."""
        where, version = f"at site {site.name}", stack._version
        with blaming(type(self), where):
            merged = self.combine(stack, site)
        fault = _fault(merged, stack)
        if stack._version != version:
            fault = "combine changed `stack` in place; work on stack.clone()"
        if fault is not None:
            raise broken(type(self), where, fault)
        return merged

    @final
    def linear(self, count: int, site: str) -> Sequence[float] | None:
        """Return `weights(count)`, held to its contract; `PluginError` if that is broken."""
        where = f"at site {site}"
        with blaming(type(self), where):
            weights = self.weights(count)
            if weights is None:
                return None
            numbers = [float(weight) for weight in weights]
        if len(numbers) != count or not all(map(is_number, numbers)):
            fault = f"weights({count}) returned {weights!r}; expected {count} numbers, or None"
            raise broken(type(self), where, fault)
        return numbers

    @final
    def factored(
        self, changes: Sequence[LowRank], coefficients: Sequence[float], site: str
    ) -> LowRank | None:
        """Return `of_factors(...)`, held to its contract; `PluginError` if that is broken."""
        where = f"at site {site}"
        with blaming(type(self), where):
            merged = self.of_factors(changes, coefficients)
        if merged is None:
            return None
        if merged.shape != changes[0].shape or merged.dtype != changes[0].dtype:
            fault = (
                f"of_factors gave {merged.dtype} of shape {shape_text(merged.shape)}; "
                f"expected {changes[0].dtype} of shape {shape_text(changes[0].shape)}"
            )
            raise broken(type(self), where, fault)
        return merged

    @property
    def rotation_invariant(self) -> bool:
        """Whether the rule commutes with orthonormal bases on both sides."""
        return False

    def weights(self, count: int) -> Sequence[float] | None:
        """Return the `w_i` of a linear rule `D = Σ_i w_i τ_i` of `count` updates, else None.

        A space may then add the updates up as they are, without representatives, in place of
        `combine`, which must give the same up to rounding.
        """
        return None

    def of_factors(
        self, changes: Sequence[LowRank], coefficients: Sequence[float]
    ) -> LowRank | None:
        """Return the merge of low-rank changes by a rule about their factors, else None.

        For a rule that is no function of the changes `τ_i`. It takes the place of `combine`, which
        is left what has no factors. `coefficients`: one per change, to be applied here.
        """
        return None

    @abstractmethod
    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Combine `stack` `(T, a, b)` into one representative `(a, b)` of the same dtype.

        The rule must not change `stack` in place.
        """


def _fault(merged: object, stack: Tensor) -> str | None:
    """Return what is wrong with a combined representative, if anything."""
    import torch

    if not isinstance(merged, torch.Tensor):
        what = "None" if merged is None else type(merged).__name__
        return f"combine returned {what}; expected a tensor of shape {_shape(stack[0])}"
    if merged.shape != stack.shape[1:]:
        return f"combine returned shape {_shape(merged)}; expected {_shape(stack[0])}"
    if merged.dtype != stack.dtype or merged.device != stack.device:
        return (
            f"combine returned {merged.dtype} on {merged.device}; "
            f"expected {stack.dtype} on {stack.device}, as of the stack"
        )
    if merged.layout != torch.strided or merged.requires_grad:
        return "combine returned a sparse tensor, or one with a gradient; make it dense, detach it"
    return None


def _shape(tensor: Tensor) -> str:
    return shape_text(tensor.shape) or "()"
