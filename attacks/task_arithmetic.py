"""Task arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from mergebench.contracts import Merger, Site


@dataclass(frozen=True, kw_only=True)
class TaskArithmetic(Merger):
    """`D = Σ_i τ_i`, the sum of the updates; with `alpha = 1/T` it is their average.

    A linear rule, so it is the same in every space. Tensors of any shape.
    """

    name: ClassVar[str] = "ta"
    title: ClassVar[str] = "TA"
    paper: ClassVar[str] = "Ilharco et al., 2023, https://arxiv.org/abs/2212.04089"
    version: ClassVar[int] = 2  # in Full space factors side by side, before: core coordinates
    spaces: ClassVar[tuple[str, ...]] = ("full", "knots", "core")

    @property
    def rotation_invariant(self) -> bool:
        """A sum commutes with every linear map."""
        return True

    def weights(self, count: int) -> Sequence[float]:
        """Return 1 for every update."""
        return [1.0] * count

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Return the sum over the updates."""
        return stack.sum(dim=0)
