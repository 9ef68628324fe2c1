"""A merging attack that looks at updates alone, site by site."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from mergebench.contracts.attack import Attack
from mergebench.contracts.faults import blaming, broken
from mergebench.contracts.plugin import is_number, require
from mergebench.contracts.site import Site
from mergebench.errors import shape_text

if TYPE_CHECKING:
    from torch import Tensor

    from mergebench.updates import LowRank


@dataclass(frozen=True, kw_only=True)
class Merger(Attack, ABC):
    """A rule that combines the representatives of `T` updates, site by site.

    A rule that commutes with orthonormal bases on both sides (`f(P X_i Q) = P f(X_i) Q`) sets
    `rotation_invariant` and is then evaluated in small coordinates with the same result. What it
    notes goes to `site.notes`.
    """

    @classmethod
    def check_class(cls) -> None:
        """Check what every attack says of itself, then that it looks at updates alone."""
        super().check_class()
        said = cls.knowledge, cls.data
        require(
            said == ("blind", "none"),
            f"knowledge and data are {said}; a Merger treats updates alike and is given no data: "
            "make it an InformedMerger or a DataMerger",
        )

    @final
    def __call__(self, stack: Tensor, site: Site) -> Tensor:
        """Return `combine(stack, site)`, held to its contract; `PluginError` if that is broken."""
        where, version = f"at site {site.name}", stack._version
        with blaming(type(self), where):
            merged = self.combine(stack, site)
        fault = _fault(merged, stack)
        if stack._version != version:
            fault = "combine changed `stack` in place; work on stack.clone()"
        if fault is not None:
            raise broken(type(self), where, fault)
        return merged

    @final
    def linear(self, count: int, site: str) -> Sequence[float] | None:
        """Return `weights(count)`, held to its contract; `PluginError` if that is broken."""
        where = f"at site {site}"
        with blaming(type(self), where):
            weights = self.weights(count)
            if weights is None:
                return None
            numbers = [float(weight) for weight in weights]
        if len(numbers) != count or not all(map(is_number, numbers)):
            fault = f"weights({count}) returned {weights!r}; expected {count} numbers, or None"
            raise broken(type(self), where, fault)
        return numbers

    @final
    def factored(
        self, changes: Sequence[LowRank], coefficients: Sequence[float], site: str
    ) -> LowRank | None:
        """Return `of_factors(...)`, held to its contract; `PluginError` if that is broken."""
        where = f"at site {site}"
        with blaming(type(self), where):
            merged = self.of_factors(changes, coefficients)
        if merged is None:
            return None
        if merged.shape != changes[0].shape or merged.dtype != changes[0].dtype:
            fault = (
                f"of_factors gave {merged.dtype} of shape {shape_text(merged.shape)}; "
                f"expected {changes[0].dtype} of shape {shape_text(changes[0].shape)}"
            )
            raise broken(type(self), where, fault)
        return merged

    @property
    def rotation_invariant(self) -> bool:
        """Whether the rule commutes with orthonormal bases on both sides."""
        return False

    def weights(self, count: int) -> Sequence[float] | None:
        """Return the `w_i` of a linear rule `D = Σ_i w_i τ_i` of `count` updates, else None.

        A space may then add the updates up as they are, without representatives, in place of
        `combine`, which must give the same up to rounding.
        """
        return None

    def of_factors(
        self, changes: Sequence[LowRank], coefficients: Sequence[float]
    ) -> LowRank | None:
        """Return the merge of low-rank changes by a rule about their factors, else None.

        For a rule that is no function of the changes `τ_i`. It takes the place of `combine`, which
        is left what has no factors. `coefficients`: one per change, to be applied here.
        """
        return None

    @abstractmethod
    def combine(self, stack: Tensor, site: Site) -> Tensor:
        """Combine `stack` `(T, a, b)` into one representative `(a, b)` of the same dtype.

        The rule must not change `stack` in place.
        """


def _fault(merged: object, stack: Tensor) -> str | None:
    """Return what is wrong with a combined representative, if anything."""
    import torch

    if not isinstance(merged, torch.Tensor):
        what = "None" if merged is None else type(merged).__name__
        return f"combine returned {what}; expected a tensor of shape {_shape(stack[0])}"
    if merged.shape != stack.shape[1:]:
        return f"combine returned shape {_shape(merged)}; expected {_shape(stack[0])}"
    if merged.dtype != stack.dtype or merged.device != stack.device:
        return (
            f"combine returned {merged.dtype} on {merged.device}; "
            f"expected {stack.dtype} on {stack.device}, as of the stack"
        )
    if merged.layout != torch.strided or merged.requires_grad:
        return "combine returned a sparse tensor, or one with a gradient; make it dense, detach it"
    return None


def _shape(tensor: Tensor) -> str:
    return shape_text(tensor.shape) or "()"
