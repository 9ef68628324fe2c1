"""The other updates are kept out of the spaces in which the protected one acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from attacks.hold import UP_TO_THE_SUM
from attacks.parts.factors import singular_triples
from attacks.parts.singular_vectors import GAP, GAPS
from mergebench.contracts import InformedMerger, Suspected
from mergebench.errors import check_choice, check_range
from mergebench.updates import Dense, LowRank, MergePath, SiteUpdate, Update, relative_gap

Sides = Literal["both", "inputs"]


@dataclass(frozen=True, kw_only=True)
class Project(InformedMerger):
    """`W0 + τ_p + α f((I - P_U) τ_i (I - P_V), i ≠ p)`: what was held is not interfered with.

    `P_U`, `P_V` project on the output and input spaces of `τ_p`: those of its factors, or of its
    `rank` largest singular directions where it is dense, the relative gap at which is noted.
    `sides`: "inputs" projects inputs alone, so that what `τ_p` reads is untouched. Changes that are
    no matrices are merged as they are.
    """

    name: ClassVar[str] = "project"
    paper: ClassVar[str] = "mergebench: adaptive attack on Trap² (interference-free addition)"
    more_alphas: ClassVar[tuple[float, ...]] = UP_TO_THE_SUM
    smallest: ClassVar[Mapping[str, float]] = GAPS

    sides: Sides = "both"
    rank: int = 16

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        check_choice(f"attack {self.name}: sides", self.sides, Sides)
        check_range(f"attack {self.name}: rank", self.rank, 1, 1_000_000)

    def path(self, given: Suspected) -> MergePath:
        """Return the merge of the projected others, ahead of which `τ_p` stays as it is."""
        bases = {site: self._bases(change, given) for site, change in given.protected.sites.items()}
        others = [
            Update(
                sites={
                    site: self._projected(change, *bases[site])
                    for site, change in other.sites.items()
                },
                label=other.label,
            )
            for other in given.others
        ]
        return MergePath(direction=given.merged(others), fixed=given.protected)

    def _bases(
        self, change: SiteUpdate, given: Suspected
    ) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """Return orthonormal bases of the outputs `(m, r)` and inputs `(n, r)` of a change."""
        if len(change.shape) != 2:
            return None, None
        outputs, values, inputs = singular_triples(change)
        rank = len(values) if isinstance(change, LowRank) else self.rank
        used = int((values > values[0] * 1e-6).sum()) if values[0] > 0 else 0
        kept = min(rank, used)
        given.note(GAP, relative_gap(values[:used].cpu(), kept))
        return outputs[:, :kept], inputs[:, :kept]

    def _projected(
        self, change: SiteUpdate, outputs: Tensor | None, inputs: Tensor | None
    ) -> SiteUpdate:
        if outputs is None or inputs is None:
            return change
        if isinstance(change, LowRank):
            return LowRank(up=self._left(change.up, outputs), down=_right(change.down, inputs))
        return Dense(delta=_right(self._left(change.dense(), outputs), inputs))

    def _left(self, matrix: Tensor, outputs: Tensor) -> Tensor:
        if self.sides == "inputs":
            return matrix
        wide = matrix.double()
        return (wide - outputs @ (outputs.T @ wide)).to(matrix.dtype)


def _right(matrix: Tensor, inputs: Tensor) -> Tensor:
    wide = matrix.double()
    return (wide - (wide @ inputs) @ inputs.T).to(matrix.dtype)
