"""WUDI: a merge whose difference to each update vanishes on what that update reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from attacks.parts.matrix_rule import MatrixRule, once_per_site
from attacks.parts.singular_vectors import GAP, GAPS, numerical_rank, rounding
from mergebench.contracts import Site
from mergebench.errors import check_choice, check_range
from mergebench.updates import relative_gap

Form = Literal["closed", "iterated"]


@dataclass(frozen=True, kw_only=True)
class WUDI(MatrixRule):
    """`D = argmin Σ_i ‖(D - τ_i) τ_iᵀ‖² / ‖τ_i‖²`, the rows of `τ_i` standing for its inputs.

    `form="closed"`: the minimiser of least norm, `(Σ_i τ_i G_i)(Σ_i G_i)⁺` with `G_i = τ_iᵀτ_i /
    ‖τ_i‖²`, that is RegMean with the updates' own second moments; float64, directions that are
    rounding left out. `"iterated"`: what the public code does, `steps` steps of Adam with
    `learning_rate` from the sum of the updates, which stay close to that sum; `learning_rate` is
    absolute, and the result depends on the coordinates: in Core space it is another one.
    An update that is zero has no part in either. Tensors that are not matrices are averaged.
    """

    name: ClassVar[str] = "wudi"
    title: ClassVar[str] = "WUDI"
    paper: ClassVar[str] = "Cheng et al., 2025, https://arxiv.org/abs/2503.08099"
    spaces: ClassVar[tuple[str, ...]] = ("full", "core")
    smallest: ClassVar[Mapping[str, float]] = GAPS

    form: Form = "closed"
    steps: int = 300
    learning_rate: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("form", self.form, Form)
        check_range("steps", self.steps, 0, 1_000_000)
        check_range("learning_rate", self.learning_rate, 0, 100)

    @property
    def rotation_invariant(self) -> bool:
        """Whether it is the minimiser; Adam goes entry by entry."""
        return self.form == "closed"

    @once_per_site
    def of_matrices(self, stack: Tensor, site: Site) -> Tensor:
        """Return the minimiser, or where Adam gets to."""
        updates = stack.double()
        norms = torch.linalg.matrix_norm(updates)[:, None, None]
        unit = updates / norms.masked_fill(norms == 0, 1)
        if self.form == "closed":
            exact_to = rounding(stack, site)
            return self._minimiser(updates, unit, site, exact_to).to(stack.dtype)
        return self._approached(updates, unit).to(stack.dtype)

    def _minimiser(self, updates: Tensor, unit: Tensor, site: Site, dtype: torch.dtype) -> Tensor:
        """Return `Σ_i τ_i X_iᵀ P_i Σ⁻¹ Qᵀ` with `[X_1; ...; X_T] = P Σ Qᵀ`, `X_i = τ_i / ‖τ_i‖`."""
        left, values, right = torch.linalg.svd(unit.flatten(0, 1), full_matrices=False)
        spectrum = values.cpu()
        rank = numerical_rank(spectrum, updates.shape[1:], dtype)
        site.notes[GAP] = relative_gap(spectrum, rank)
        left = left[:, :rank].unflatten(0, unit.shape[:2])
        solved: Tensor = (updates @ unit.mT @ left).sum(dim=0) / values[:rank] @ right[:rank]
        return solved

    def _approached(self, updates: Tensor, unit: Tensor) -> Tensor:
        moments = unit.mT @ unit
        gram, products = moments.sum(dim=0), (updates @ moments).sum(dim=0)
        merged = updates.sum(dim=0)
        optimizer = torch.optim.Adam([merged], lr=self.learning_rate)
        for _ in range(self.steps):
            merged.grad = 2 * (merged @ gram - products)
            optimizer.step()
        merged.grad = None
        return merged


@dataclass(frozen=True, kw_only=True)
class IteratedWUDI(WUDI):
    """`WUDI` as its public code does it, under a name of its own, to stand beside the minimiser.

    In Full space alone, as there: Adam goes entry by entry.
    """

    name: ClassVar[str] = "wudi_iterated"
    title: ClassVar[str] = "WUDI, iterated"
    spaces: ClassVar[tuple[str, ...]] = ("full",)

    form: Form = "iterated"
