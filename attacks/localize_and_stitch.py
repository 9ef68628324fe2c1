"""Localize-and-Stitch: of each update its largest entries alone, at their own scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from attacks.parts.regions import largest_from, stitched
from attacks.parts.sparsification import check_top_k, trimming
from mergebench.contracts import Merger, Site


@dataclass(frozen=True, kw_only=True)
class LocalizeAndStitch(Merger):
    """`D = Σ_i m_i ⊙ τ_i / max(1, Σ_j m_j)`, `m_i` the largest entries of `τ_i` in the whole model.

    `top_k`: how many, in percent from 1 on, of all entries of all sites. It is the data-free
    variant, which does not learn the masks, and has no merging coefficient. Tensors of any shape.
    """

    name: ClassVar[str] = "localize_and_stitch"
    title: ClassVar[str] = "Localize-and-Stitch"
    paper: ClassVar[str] = "He et al., 2024, https://arxiv.org/abs/2408.13656"
    spaces: ClassVar[tuple[str, ...]] = ("full", "core")
    alphas: ClassVar[tuple[float, ...]] = (1.0,)

    top_k: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_top_k(self.top_k)

    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Return the stitched regions."""
        smallest = site.once_for_all(
            f"the largest {self.top_k} percent", lambda stacks: largest_from(stacks, self.top_k)
        )
        merged = stitched(stack.flatten(start_dim=1), trimming(smallest))
        return merged.reshape(stack.shape[1:])
