"""Rules that go on from what another rule makes of the updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from attacks.parts.matrix_rule import MatrixRule
from mergebench.contracts import Merger, Plugin, Site
from mergebench.errors import InputError
from mergebench.registry import registry


@dataclass(frozen=True, kw_only=True)
class AfterRule(MatrixRule):
    """A step after any rule, which `after` names; that one has its default hyper-parameters.

    It is defined where the rule is. Raises `InputError` for a rule that is not known, and for one
    about the factors of updates, of whose representatives it makes something else.
    """

    after: str = "ta"

    def __post_init__(self) -> None:
        super().__post_init__()
        rule = registry().get(Merger, self.after)
        if rule.of_factors is not Merger.of_factors:
            raise InputError(
                f"after is {self.after}, which merges the factors of adapters, and {self.name} "
                "goes on from a merge of whole changes; choose another rule"
            )

    @property
    def built_on(self) -> Merger:
        """The rule that `after` names."""
        return registry().get(Merger, self.after).configured()

    def named(self) -> Mapping[str, Plugin]:
        """Return the rule; not the default, which records have had by its name alone."""
        return {} if self.after == AfterRule.after else {"after": self.built_on}

    @property
    def rotation_invariant(self) -> bool:
        """Whether the rule is; the step itself commutes with orthonormal bases."""
        return self.built_on.rotation_invariant

    def merged(self, stack: Tensor, site: Site) -> Tensor:
        """Return what the rule makes of `stack` `(T, a, b)`: `(a, b)` of its dtype."""
        for what in self.smallest:  # of an earlier merge, maybe by another rule
            site.notes.pop(what, None)
        return self.built_on(stack, site)

    def note(self, site: Site, what: str, value: float) -> None:
        """Note `value`, unless the rule that `merged` went through left a smaller one."""
        site.notes[what] = min(value, site.notes.get(what, value))
