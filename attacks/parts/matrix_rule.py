"""Rules for matrices: what they make of tensors that are none, and merges kept per site."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TypeVar, final

from torch import Tensor

from mergebench.contracts import Merger, Site


@dataclass(frozen=True, kw_only=True)
class MatrixRule(Merger, ABC):
    """A rule about the spectra or the bases of matrices; tensors that are none are averaged."""

    @final
    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Return what the rule makes of matrices, and the mean of other tensors."""
        return self.of_matrices(stack, site) if site.matrix else stack.mean(dim=0)

    @abstractmethod
    def of_matrices(self, stack: Tensor, site: Site) -> Tensor:
        """Combine the matrices `stack` `(T, a, b)` into one `(a, b)`, as of `Merger.combine`."""


Rule = TypeVar("Rule", bound=MatrixRule)
OfMatrices = Callable[[Rule, Tensor, Site], Tensor]


def once_per_site(of_matrices: OfMatrices[Rule]) -> OfMatrices[Rule]:
    """Have the merge of a site kept for the next coefficient: for what has no grid of its own."""

    @wraps(of_matrices)
    def kept(rule: Rule, stack: Tensor, site: Site) -> Tensor:
        return site.once(f"merge by {rule!r}", lambda: of_matrices(rule, stack, site))

    return kept
