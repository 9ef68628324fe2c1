"""TSV-Merge: task singular vectors, orthogonalised between tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from attacks.parts.matrix_rule import MatrixRule
from attacks.parts.singular_vectors import (
    GAP,
    GAPS,
    leading_triples,
    numerical_rank,
    polar_factor,
    rounding,
)
from mergebench.contracts import Site
from mergebench.errors import check_choice
from mergebench.updates import relative_gap

RankMode = Literal["signal", "reference"]

_NOTE = "smallest singular value of [U_1 ... U_T] and [V_1; ...; V_T]"


@dataclass(frozen=True, kw_only=True)
class TSV(MatrixRule):
    """`D = polar([U_1 ... U_T]) · diag(S_1 ... S_T) · polar([V_1; ...; V_T])`.

    `(U_i, S_i, V_i)`: the leading `k` singular triples of `τ_i`, `k = int(K · (1/T))`, float64.
    With `rank_mode="signal"` `k` is at most the numerical rank of `τ_i`. With `"reference"` it is
    not, as in the public code: null vectors of low-rank updates, which are rounding noise, then
    turn the signal's, and the result is not comparable between machines.
    The relative gap of the spectra at `k` is noted: where `V_i` of KnOTS have orthonormal rows and
    more of them than `k`, all values are 1 and which vectors lead is rounding.
    Tensors that are not matrices are averaged. Of more updates than a site has rows or columns
    nothing is kept, as the paper has it, and the gap noted is 0.
    """

    name: ClassVar[str] = "tsv"
    title: ClassVar[str] = "TSV"
    paper: ClassVar[str] = "Gargiulo et al., 2025, https://arxiv.org/abs/2412.00081"
    spaces: ClassVar[tuple[str, ...]] = ("full", "knots", "core")
    smallest: ClassVar[Mapping[str, float]] = {_NOTE: 1e-3, **GAPS}

    rank_mode: RankMode = "signal"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("rank_mode", self.rank_mode, RankMode)

    @property
    def rotation_invariant(self) -> bool:
        """Whether no null vector is used; those depend on the coordinates."""
        return self.rank_mode == "signal"

    def of_matrices(self, stack: Tensor, site: Site) -> Tensor:
        """Return the merge of the orthogonalised singular triples, decomposed once per site."""
        if not self.rotation_invariant:  # dense representatives: too large to keep for all sites
            return self._orthogonalised(stack, site)
        return site.once(f"merge by {self!r}", lambda: self._orthogonalised(stack, site))

    def _orthogonalised(self, stack: Tensor, site: Site) -> Tensor:
        most = int(min(site.shape) * (1 / len(stack)))
        triples = site.once_for_sets(
            f"leading {most} singular triples",
            len(stack),
            lambda index: leading_triples(stack[index].double(), most),
            size=lambda found: sum(tensor.nbytes for tensor in found),
        )
        spectra = torch.stack([found.values for found in triples]).cpu()
        exact_to = rounding(stack, site)
        signal = [numerical_rank(each, stack.shape[1:], exact_to) for each in spectra]
        ranks = [most if self.rank_mode == "reference" else min(most, rank) for rank in signal]
        cuts = zip(spectra, ranks, signal, strict=True)
        # Where null vectors are kept, the cut is arbitrary, and where no other is, it takes all.
        site.notes[GAP] = min(
            relative_gap(s, k) if k <= rank and (k > 0 or rank == 0) else 0 for s, k, rank in cuts
        )
        if sum(ranks) == 0:
            return torch.zeros_like(stack[0])
        pairs = [*zip(triples, ranks, strict=True)]
        scales = torch.cat([found.values[:k] for found, k in pairs])
        columns, smallest_left = polar_factor(
            torch.cat([found.left[:, :k] for found, k in pairs], 1)
        )
        rows, smallest_right = polar_factor(torch.cat([found.right[:k] for found, k in pairs]))
        site.notes[_NOTE] = min(smallest_left, smallest_right)
        return (columns * scales @ rows).to(stack.dtype)
