"""KnOTS: the updates in the joint left singular basis of their concatenation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from attacks.parts.factors import all_low_rank, by_update, stacked_up
from attacks.parts.singular_vectors import GAP, GAPS
from mergebench.contracts import Encoded, Space
from mergebench.errors import InputError
from mergebench.updates import SiteUpdate, relative_gap


@dataclass(frozen=True, kw_only=True)
class KnOTS(Space):
    """`[τ_1 ... τ_T] = U Σ [V_1 ... V_T]`; the representatives are the `V_i`, `(R, n)`.

    Components whose singular value is at most `threshold` are left out (times the largest one if
    `relative`); if none remains, one of weight zero does. `fold_singular_values` merges `Σ V_i`
    and maps back with `U`, as in the original code; the default, which Trap² and Core space use,
    merges `V_i` and maps back with `U Σ`. Representatives have the updates' dtype, or are float64
    in coordinates of their joint row space for rotation-invariant rules.
    How far the threshold is from the singular values is noted (`_gap`): every component counts
    alike in the `V_i`, so that one more or less may turn the merge.
    """

    name: ClassVar[str] = "knots"
    title: ClassVar[str] = "KnOTS"
    paper: ClassVar[str] = "Stoica et al., 2025, https://arxiv.org/abs/2410.19735"
    smallest: ClassVar[Mapping[str, float]] = GAPS

    threshold: float = 1e-5
    relative: bool = False
    fold_singular_values: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < float("inf"):
            raise InputError(f"knots: threshold is {self.threshold}; give a number from 0")

    def encode(self, updates: Sequence[SiteUpdate], *, rotation_invariant: bool) -> Encoded:
        """Return the `V_i` (or `Σ V_i`) of the updates of one site."""
        dtype, columns = updates[0].dtype, updates[0].shape[1]
        joint = _joint(updates)
        left, values, right, gap = self._components(torch.cat(joint.blocks, dim=1), dtype)
        if joint.basis is not None:
            left = joint.basis @ left
        if self.fold_singular_values:
            right = values[:, None] * right
        else:
            left = left * values
        blocks = _split_like(joint.blocks, right)
        shape, notes = (len(values), columns), {GAP: gap}
        if rotation_invariant:
            stack, rows = joint.shared_rows(blocks)
            return Encoded(stack=stack, shape=shape, left=left, right=rows, notes=notes)
        stack = torch.stack(joint.rows(blocks)).to(dtype)
        return Encoded(stack=stack, shape=shape, left=left.to(dtype), notes=notes)

    def _components(
        self, joined: Tensor, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor, float]:
        left, values, right = torch.linalg.svd(joined, full_matrices=False)
        spectrum = values.cpu()
        smallest = self.threshold * float(spectrum[0]) if self.relative else self.threshold
        rank = int((spectrum > smallest).sum())
        gap = _gap(spectrum, smallest, dtype)
        if rank == 0:
            return left[:, :1], torch.zeros_like(values[:1]), right[:1], gap
        return left[:, :rank], values[:rank], right[:rank], gap


def _gap(spectrum: Tensor, threshold: float, dtype: torch.dtype) -> float:
    """Return the relative gap between the threshold and the nearest singular value.

    1 where all that is left out is rounding, and 0 where rounding is kept. `spectrum`: float64, of
    updates of this dtype. To round entries moves no singular value by more than `eps / 2` times the
    joint norm; `numerical_rank` allows for much more, and would take weak directions for rounding.
    """
    rounding = torch.finfo(dtype).eps * float(spectrum.norm())
    signal = spectrum[spectrum > rounding]
    rank = int((spectrum > threshold).sum())
    if rank > len(signal):
        return 0.0
    cut = torch.cat([signal[:rank], signal.new_tensor([threshold]), signal[rank:]])
    return min(relative_gap(cut, rank), relative_gap(cut, rank + 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Joint:
    """`τ_i = basis · block_i · row_base_iᵀ` in float64; None stands for the identity.

    `basis` is orthonormal `(m, a)`, and each row base orthonormal `(n, b_i)`.
    """

    blocks: list[Tensor]
    basis: Tensor | None = None
    row_bases: list[Tensor] | None = None

    def rows(self, blocks: Sequence[Tensor]) -> list[Tensor]:
        """Return the blocks `(R, b_i)` as rows of the weight, `(R, n)`."""
        if self.row_bases is None:
            return list(blocks)
        return [block @ base.T for block, base in zip(blocks, self.row_bases, strict=True)]

    def shared_rows(self, blocks: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Return the rows in one orthonormal base `(b, n)` of all, if it is smaller than `n`."""
        if self.row_bases is None:
            return torch.stack(list(blocks)), None
        together = torch.cat(self.row_bases, dim=1)
        if together.shape[1] >= together.shape[0]:
            return torch.stack(self.rows(blocks)), None
        shared, coordinates = torch.linalg.qr(together)
        widths = [base.shape[1] for base in self.row_bases]
        pairs = zip(blocks, torch.split(coordinates, widths, dim=1), strict=True)
        return torch.stack([block @ base.T for block, base in pairs]), shared.T


def _joint(updates: Sequence[SiteUpdate]) -> _Joint:
    if not all_low_rank(updates):
        return _Joint(blocks=[update.dense().double() for update in updates])
    basis, triangular = torch.linalg.qr(stacked_up(updates))
    blocks, row_bases = [], []
    for up, update in zip(by_update(triangular, updates), updates, strict=True):
        base, coordinates = torch.linalg.qr(update.down.double().T)
        blocks.append(up @ coordinates.T)
        row_bases.append(base)
    return _Joint(blocks=blocks, basis=basis, row_bases=row_bases)


def _split_like(blocks: Sequence[Tensor], right: Tensor) -> list[Tensor]:
    """Split the right singular vectors by update; those of a zero update are zero.

    An SVD routine leaves rounding there, which a rule that counts non-zero entries would take for
    votes.
    """
    parts = torch.split(right, [block.shape[1] for block in blocks], dim=1)
    some = torch.stack([block.any() for block in blocks]).tolist()
    return [
        part if any_value else torch.zeros_like(part)
        for part, any_value in zip(parts, some, strict=True)
    ]
