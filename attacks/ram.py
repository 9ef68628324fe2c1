"""RAM, Reinforced Agent Merging: entries that one update alone touches stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import hardshrink

from attacks.parts.regions import stitched
from mergebench.contracts import Merger, Site
from mergebench.errors import check_range


@dataclass(frozen=True, kw_only=True)
class Ram(Merger):
    """`D = Σ_i m_i ⊙ τ_i / max(1, Σ_j m_j)` with `m_i = 1[|τ_i| > ε]`.

    Entries that one update alone touches enter at 1, those that several touch are averaged over
    them. `epsilon`: ε, 1e-5 in the reference, above which an entry counts as touched; the larger
    ones of the grid are for updates that touch every entry a little, such as adapters. Tensors of
    any shape.
    """

    name: ClassVar[str] = "ram"
    title: ClassVar[str] = "RAM"
    paper: ClassVar[str] = "Reinforced Agent Merging, 2026, https://arxiv.org/abs/2601.13572"
    spaces: ClassVar[tuple[str, ...]] = ("full", "core")
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"epsilon": (1e-5, 1e-4, 1e-3, 1e-2)}
    alphas: ClassVar[tuple[float, ...]] = (1.0,)

    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("epsilon", self.epsilon, 0, 1_000_000)

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Return what is touched by one update as it is, what is shared averaged."""
        merged = stitched(
            stack.flatten(start_dim=1), lambda values: hardshrink(values, self.epsilon)
        )
        return merged.reshape(stack.shape[1:])
