"""Coordinates in which updates are merged, and what encoding returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from mergebench import updates
from mergebench.contracts.plugin import Plugin

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
            return updates.Dense(delta=down.to(dtype))
        rows, rank = self.left.shape
        if updates.factors_are_smaller((rows, down.shape[1]), rank):
            return updates.LowRank(up=self._left_factor(merged.dtype, dtype), down=down.to(dtype))
        return updates.Dense(delta=(self.left.to(merged.dtype) @ down).to(dtype))

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
