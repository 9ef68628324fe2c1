"""Coordinates in which updates are merged, and what encoding returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

from mergebench.contracts.faults import blaming, broken
from mergebench.contracts.merge_part import MergePart
from mergebench.contracts.plugin import fault_of_notes
from mergebench.errors import shape_text

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from mergebench.updates import SiteUpdate


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """The representatives of `T` updates of one site, and the way back.

    `stack`: `(T, a, b)`; a merged representative `f` `(a, b)` stands for `left @ f @ right`, with
    `left` `(m, a)` and `right` `(b, n)`, None meaning the identity. `shape` is the shape on which
    the rule is defined (see `Site`). `separate`: whether each representative depends on its update
    alone. `notes`: what the space learned of its bases on the way (see `Space`).
    """

    stack: Tensor
    shape: tuple[int, int]
    left: Tensor | None = None
    right: Tensor | None = None
    separate: bool = False
    notes: Mapping[str, float] = field(default_factory=dict, repr=False)
    _factors: dict[torch.dtype, Tensor] = field(default_factory=dict, init=False, repr=False)

    def decode(self, merged: Tensor, dtype: torch.dtype) -> SiteUpdate:
        """Return the change of the weight that `merged` `(a, b)` stands for, as it is cheapest.

        It is computed in the precision of `merged` and rounded to `dtype` at the end.
        """
        from mergebench.updates import Dense, LowRank, factors_are_smaller

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
class Space(MergePart, ABC):
    """Coordinates in which updates are merged; encoding and decoding lose nothing.

    `smallest` is about notes of its bases, which make any merge there doubtful.
    """

    kind: ClassVar[str] = "space"

    @final
    def __call__(
        self, updates: Sequence[SiteUpdate], site: str, *, rotation_invariant: bool
    ) -> Encoded:
        """Return `encode(updates)`, held to its contract; `PluginError` if that is broken."""
        with blaming(type(self), f"at site {site}"):
            encoded = self.encode(updates, rotation_invariant=rotation_invariant)
        fault = _fault(encoded, len(updates), updates[0].shape)
        if fault is not None:
            raise broken(type(self), f"at site {site}", f"encode returned {fault}")
        return encoded

    @final
    def decoded(self, encoded: Encoded, merged: Tensor, site: str, like: SiteUpdate) -> SiteUpdate:
        """Return what `merged` stands for, held to shape and dtype of `like`."""
        with blaming(type(self), f"at site {site}"):
            change = encoded.decode(merged, like.dtype)
        return self._checked(change, site, like)

    @final
    def total(
        self, updates: Sequence[SiteUpdate], weights: Sequence[float], site: str
    ) -> SiteUpdate | None:
        """Return `weighted_sum(updates, weights)`, held to its contract."""
        with blaming(type(self), f"at site {site}"):
            change = self.weighted_sum(updates, weights)
        return None if change is None else self._checked(change, site, updates[0])

    def _checked(self, change: object, site: str, like: SiteUpdate) -> SiteUpdate:
        from mergebench.updates import Dense, LowRank

        if not isinstance(change, LowRank | Dense):
            fault = f"gave {type(change).__name__}; expected LowRank or Dense"
        elif change.shape != like.shape or change.dtype != like.dtype:
            fault = (
                f"gave {change.dtype} of shape {shape_text(change.shape)}; "
                f"expected {like.dtype} of shape {shape_text(like.shape)}"
            )
        else:
            return change
        raise broken(type(self), f"at site {site}", fault)

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


def _fault(encoded: object, count: int, shape: tuple[int, ...]) -> str | None:
    """Return how representatives differ from those of `count` updates of `shape`, if they do."""
    from torch import Tensor

    if not isinstance(encoded, Encoded):
        return f"{type(encoded).__name__}; expected Encoded"
    stack = encoded.stack
    if not isinstance(stack, Tensor) or stack.ndim != 3 or not stack.is_floating_point():
        return "a stack that is no float tensor (T, a, b)"
    (rows, columns), (left, right) = stack.shape[1:], (encoded.left, encoded.right)
    fits = (
        len(stack) == count,
        rows == shape[0] if left is None else tuple(left.shape) == (shape[0], rows),
        columns == shape[1] if right is None else tuple(right.shape) == (columns, shape[1]),
    )
    if all(fits):
        return fault_of_notes(encoded.notes)
    return (
        f"a stack {shape_text(stack.shape)} with bases that do not fit it and {count} updates of "
        f"shape {shape_text(shape)}"
    )
