"""What a plug-in implements: a merger, with or without data, a merging space, a protection.

A plug-in is a frozen keyword-only dataclass. Its fields are its hyper-parameters with the paper's
defaults; its class attributes say what it is. The registry finds it by its `name`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar

import torch
from torch import Tensor

from mergebench.memory import Room
from mergebench.seeding import generator
from mergebench.update import Dense, LowRank, SiteUpdate, Update, factors_are_smaller

if TYPE_CHECKING:
    from mergebench.backbones import Backbone, Precision
    from mergebench.suites import Task
    from mergebench.train import Progress

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A named method with hyper-parameters; `repr` prints them all and serves as its identity.

    `version` is raised whenever the same inputs may give other numbers than before.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    version: ClassVar[int] = 1

    def options(self) -> dict[str, Any]:
        """Return the hyper-parameters by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def with_options(self, **options: Any) -> Self:
        """Return a copy with some hyper-parameters changed."""
        return replace(self, **options)


@dataclass(frozen=True, kw_only=True, eq=False)
class Site:
    """One site during a merge, as a combination rule sees it.

    `shape`: `(a, b)` of the representatives the rule is defined on; their smaller side is the `K`
    from which rules derive ranks. It may exceed the shape of the tensors at hand, because a
    rotation-invariant rule is evaluated in smaller coordinates that give the same result.
    `matrix`: whether the representatives are matrices; other tensors come flattened to `(1, d)`.
    `notes`: where a rule writes down what it learns of its bases on the way (see
    `Merger.smallest`).
    """

    name: str
    shape: tuple[int, int]
    seed: int = 0
    matrix: bool = True
    notes: dict[str, float] = field(default_factory=dict, repr=False)
    _memory: dict[str, Any] = field(default_factory=dict, repr=False)
    _own: Sequence[dict[str, Any]] = field(default_factory=list, repr=False)
    _room: Room = field(default_factory=Room, repr=False)

    def generator(self, purpose: str, task: int) -> torch.Generator:
        """Return the generator of this (seed, purpose, task, site): equal calls, equal draws."""
        return generator(self.seed, purpose, task, self.name)

    def once(self, key: str, compute: Callable[[], Value], *, size: int = 0) -> Value:
        """Return `compute()`, remembered for the next merge of the same representatives.

        For what does not depend on the hyper-parameters that a search varies: sorted magnitudes,
        spectra. The value must not be changed in place. `size`: its bytes, if they are many; it is
        not remembered where the problem has no room for them.
        """
        if key not in self._memory:
            value = compute()
            if size and not self._room.take(size):
                return value
            self._memory[key] = value
        known: Value = self._memory[key]
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


@dataclass(frozen=True, kw_only=True)
class Attack(Plugin, ABC):
    """A way to combine released updates into one: a `Merger` or a `DataMerger`.

    `spaces` lists where it is defined; `grid` the structural hyper-parameters that a search
    visits, in order. `smallest` says below which value a note that the attack leaves makes a result
    doubtful.
    """

    spaces: ClassVar[tuple[str, ...]] = ("full",)
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {}
    smallest: ClassVar[Mapping[str, float]] = {}


@dataclass(frozen=True, kw_only=True)
class Merger(Attack, ABC):
    """A rule that combines the representatives of `T` updates, site by site.

    A rule that commutes with orthonormal bases on both sides (`f(P X_i Q) = P f(X_i) Q`) sets
    `rotation_invariant` and is then evaluated in small coordinates with the same result. What it
    notes goes to `site.notes`.
    """

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

    @abstractmethod
    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Combine `stack` `(T, a, b)` into one representative `(a, b)` of the same dtype.

        The rule must not change `stack` in place.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """The representatives of `T` updates of one site, and the way back.

    `stack`: `(T, a, b)`; a merged representative `f` `(a, b)` stands for `left @ f @ right`, with
    `left` `(m, a)` and `right` `(b, n)`, None meaning the identity. `shape` is the shape on which
    the rule is defined (see `Site`). `separate`: whether each representative depends on its update
    alone.
    """

    stack: Tensor
    shape: tuple[int, int]
    left: Tensor | None = None
    right: Tensor | None = None
    separate: bool = False
    _factors: dict[torch.dtype, Tensor] = field(default_factory=dict, init=False, repr=False)

    def decode(self, merged: Tensor, dtype: torch.dtype) -> SiteUpdate:
        """Return the change of the weight that `merged` `(a, b)` stands for, as it is cheapest.

        It is computed in the precision of `merged` and rounded to `dtype` at the end.
        """
        down = merged if self.right is None else merged @ self.right.to(merged.dtype)
        if self.left is None:
            return Dense(delta=down.to(dtype))
        rows, rank = self.left.shape
        if factors_are_smaller((rows, down.shape[1]), rank):
            return LowRank(up=self._left_factor(merged.dtype, dtype), down=down.to(dtype))
        return Dense(delta=(self.left.to(merged.dtype) @ down).to(dtype))

    def _left_factor(self, merged: torch.dtype, dtype: torch.dtype) -> Tensor:
        """Return `left` as the factor of every merge, rounded once."""
        assert self.left is not None
        if dtype not in self._factors:
            self._factors[dtype] = self.left.to(merged).to(dtype)
        return self._factors[dtype]


@dataclass(frozen=True, kw_only=True)
class Space(Plugin, ABC):
    """Coordinates in which updates are merged; encoding and decoding lose nothing."""

    needs_factors: ClassVar[bool] = False

    @abstractmethod
    def encode(self, updates: Sequence[SiteUpdate], *, rotation_invariant: bool) -> Encoded:
        """Return the representatives of the updates of one site.

        With `rotation_invariant` the space may choose any orthonormal bases in place of its own,
        because the rule's result does not depend on them.
        """

    def weighted_sum(
        self, updates: Sequence[SiteUpdate], weights: Sequence[float]
    ) -> SiteUpdate | None:
        """Return `Σ_i w_i τ_i` if that takes no representatives in this space, else None."""
        return None


@dataclass(frozen=True, kw_only=True, eq=False)
class MergeData:
    """What a data-aware attack is given: the updates, the backbone, and some images per task.

    `tasks`: the tasks of `updates`, in their order; split `train` holds the images within the
    attack's budget, `val` what may select among candidates, and `test` is empty. `target`: the task
    that the attack is about, if it is about one. `start`: the merge that it starts from, its
    coefficient included, if it asked for one (`DataMerger.starts_from`). `precision` of forward
    passes. `notes`: where the attack writes down what it found, to be stored with the result.
    """

    backbone: Backbone
    updates: tuple[Update, ...]
    tasks: tuple[Task, ...]
    seed: int
    target: str | None = None
    start: Update | None = None
    precision: Precision = "fp32"
    notes: dict[str, float] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class DataMerger(Attack, ABC):
    """An attack that looks at images; it acts on whole updates, in Full space.

    `alphas` are the merging coefficients that are searched: 1 alone where the method determines the
    size of its result; None for those of the protocol. The fields are its budget: `split` to draw
    from (never test images), and `images_per_class`, or `images_per_task`, spread evenly over the
    classes, where the former is 0.
    """

    alphas: ClassVar[tuple[float, ...] | None] = (1.0,)

    split: Literal["train", "val"] = "val"
    images_per_task: int = 100
    images_per_class: int = 0

    @property
    def starts_from(self) -> str | None:
        """The `attack@space` whose searched merge is given as `start`; None if none is needed."""
        return None

    @property
    def targeted(self) -> bool:
        """Whether the result depends on the target, also if no update is protected."""
        return False

    @property
    def budget(self) -> str:
        """The images that it looks at, in words for a caption."""
        if self.images_per_class > 0:
            images = "image" if self.images_per_class == 1 else "images"
            return f"{self.images_per_class} {images} per class from split {self.split}"
        return f"{self.images_per_task} images per task from split {self.split}, class-balanced"

    def from_base(self) -> Self | None:
        """Return the same attack with W0 in place of the merge that it starts from.

        It is what a merger has who discards the updates, so that a protection means something
        against this attack only if the attack ends below it. None if there is no such attack.
        """
        return None

    @abstractmethod
    def merge(self, given: MergeData) -> Update:
        """Return the merged update `D`: float32, the sites and shapes of the updates or more.

        The backbone's weights are the same afterwards, bit for bit.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Release:
    """What a protection returns: the update at nominal scale 1, and how it came about."""

    update: Update
    record: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Protection(Plugin, ABC):
    """A way to produce an update that should work at its nominal scale and resist merging."""

    @abstractmethod
    def protect(self, backbone: Backbone, task: Task, *, seed: int, progress: Progress) -> Release:
        """Fine-tune `backbone` on `task` and return the released update.

        The backbone's weights are unchanged afterwards, bit for bit.
        """
