"""A merging attack that looks at updates alone, site by site."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mergebench.contracts.plugin import Plugin
from mergebench.contracts.site import Site

if TYPE_CHECKING:
    from torch import Tensor


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
