"""SVC: singular values of a merge, calibrated by how often the updates count their directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attacks.parts.after_rule import AfterRule
from attacks.parts.singular_vectors import numerical_rank, rounding
from mergebench.contracts import Site
from mergebench.errors import check_range
from mergebench.updates import LEAST_GAP

_NOTE = "smallest relative gap between singular values of the merge"


@dataclass(frozen=True, kw_only=True)
class SVC(AfterRule):
    """`σ_r ← γ_r σ_r` with `γ_r = T / Σ_i max(a, s_r^i)`, for what the rule `after`
    makes of the updates, `Σ σ_r u_r v_rᵀ`.

    `s_r^i = ⟨u_rᵀ D, u_rᵀ τ_i⟩ / ‖u_rᵀ τ_i‖²`: how many times the merge holds what update `i` has
    along `u_r`; it is T where all updates have the same there. `least`: `a`; 0 stands for `1/T`,
    and for 1 after TSV, as published.

    Float64, over the singular values above rounding. An update that has nothing along `u_r`, up to
    rounding, has no share there, `s_r^i = 0`: that is our reading, the formula leaves it open. Each
    vector counts by itself: the smallest gap between neighbouring singular values is noted, as
    equal ones leave the vectors open. The same in Full and in Core space after a rule that is.
    Tensors that are not matrices are averaged.
    """

    name: ClassVar[str] = "svc"
    title: ClassVar[str] = "SVC"
    paper: ClassVar[str] = "SVC, 2026, https://arxiv.org/abs/2602.05536"
    spaces: ClassVar[tuple[str, ...]] = ("full", "core")
    smallest: ClassVar[Mapping[str, float]] = {_NOTE: LEAST_GAP}

    least: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("least", self.least, 0, 1000)

    def of_matrices(self, stack: Tensor, site: Site) -> Tensor:
        """Return the rule's result with calibrated singular values."""
        merged = self.merged(stack, site)
        left, values, right = torch.linalg.svd(merged.double(), full_matrices=False)
        spectrum = values.cpu()
        rank = numerical_rank(spectrum, merged.shape, rounding(stack, site))
        left, values, right = left[:, :rank], values[:rank], right[:rank]
        gaps = 1 - spectrum[1:rank] / spectrum[: max(0, rank - 1)]
        self.note(site, _NOTE, float(gaps.min()) if len(gaps) else 1.0)
        along = left.T @ stack.double()  # a_r^i = u_rᵀ τ_i, (T, rank, n)
        shares = torch.einsum("r,rn,trn->tr", values, right, along) / along.square().sum(dim=2)
        shares[_absent(along, stack, site)] = 0
        factors = len(stack) / shares.clamp(min=self._floor(len(stack))).sum(dim=0)
        calibrated: Tensor = left * (factors * values) @ right
        return calibrated.to(stack.dtype)

    def _floor(self, count: int) -> float:
        return self.least or (1.0 if self.after == "tsv" else 1 / count)


def _absent(along: Tensor, stack: Tensor, site: Site) -> Tensor:
    """Return where an update has nothing but rounding along a direction, `(T, rank)` bool."""
    sizes = torch.linalg.matrix_norm(stack.double())
    tolerance = max(stack.shape[1:]) * torch.finfo(rounding(stack, site)).eps
    absent: Tensor = along.norm(dim=2) <= tolerance * sizes[:, None]
    return absent
