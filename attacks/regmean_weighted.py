"""RegMean in which the inputs of the update that may be protected weigh more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from attacks.parts.layerwise import Regression
from attacks.regmean import RegMean
from mergebench.contracts import Knowledge
from mergebench.errors import check_range


@dataclass(frozen=True, kw_only=True)
class WeightedRegMean(RegMean):
    """`D = (Σ_i w_i τ_i G̃_i)(Σ_i w_i G̃_i)⁻¹`, with `w_p = weight` for the target, 1 for others.

    As `w_p` grows, `D` does what `τ_p` does on the inputs of `τ_p`, and is free where these do not
    reach: a trap is left at its own scale on the inputs that it is for. For that freedom `shrink`
    is 1 here, where RegMean's 0.5 gives every input direction a weight.
    """

    name: ClassVar[str] = "regmean_weighted"
    title: ClassVar[str] = "RegMean, target weighted"
    paper: ClassVar[str] = (
        "mergebench: adaptive attack on Trap² (weighted Gram), on "
        "Jin et al., 2023, https://arxiv.org/abs/2212.09849"
    )
    knowledge: ClassVar[Knowledge] = "informed"
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"weight": (1, 10, 100, 1000)}

    shrink: float = 1.0
    weight: float = 10.0

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        check_range(f"attack {self.name}: weight", self.weight, 1e-6, 1e12)

    @property
    def targeted(self) -> bool:
        """It is about one of the updates, whether that is protected or not."""
        return True

    def _regression(self) -> Regression:
        return replace(super()._regression(), emphasis=self.weight)
