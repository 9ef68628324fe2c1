"""Rules that go on from what another rule makes of the updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from attacks.parts.matrix_rule import MatrixRule
from mergebench.contracts import Merger, Site
from mergebench.registry import registry


@dataclass(frozen=True, kw_only=True)
class AfterRule(MatrixRule):
    """A step after any rule, which `after` names; that one has its default hyper-parameters.

    Raises `InputError` for a rule that is not known.
    """

    after: str = "ta"

    def __post_init__(self) -> None:
        registry().get(Merger, self.after)

    @property
    def rotation_invariant(self) -> bool:
        """Whether the rule is; the step itself commutes with orthonormal bases."""
        return self._rule().rotation_invariant

    @property
    def least_notes(self) -> Mapping[str, float]:
        """What the rule says of its notes, and the step of its own."""
        return {**self._rule().least_notes, **self.smallest}

    def merged(self, stack: Tensor, site: Site) -> Tensor:
        """Return what the rule makes of `stack` `(T, a, b)`: `(a, b)` of its dtype."""
        return self._rule()(stack, site)

    def _rule(self) -> Merger:
        return registry().get(Merger, self.after).configured()
