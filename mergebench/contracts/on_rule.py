"""What attacks have in common that are built on a rule of somebody else."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from mergebench.contracts.faults import blaming
from mergebench.contracts.merger import Attack, Merger
from mergebench.errors import InputError


@dataclass(frozen=True, kw_only=True)
class OnRule(Attack, ABC):
    """An attack about one of the updates that merges by a `rule`, in the spaces where that is.

    In tables it is called `name:rule@space`, and a search visits the hyper-parameters of both.
    Raises `InputError` if both have a hyper-parameter of one name.
    """

    rule: Merger | None = None

    def __post_init__(self) -> None:
        """Check that names of hyper-parameters are not used twice."""
        both = self._own().intersection(() if self.rule is None else self.rule.options())
        if both:
            raise InputError(
                f"attack {self.label}: both have the hyper-parameter {sorted(both)[0]}"
            )

    @property
    def label(self) -> str:
        """`name:rule`."""
        return self.name if self.rule is None else f"{self.name}:{self.rule.name}"

    @property
    def targeted(self) -> bool:
        """It is about one of the updates, whether that is protected or not."""
        return True

    @property
    def searched(self) -> Mapping[str, tuple[float, ...]]:
        """The grid of the rule, then its own."""
        return {**({} if self.rule is None else self.rule.grid), **self.grid}

    @property
    def least_notes(self) -> Mapping[str, float]:
        """What the rule says of its notes."""
        return {} if self.rule is None else self.rule.least_notes

    def check_count(self, count: int) -> None:
        """Check those of the rule."""
        if self.rule is not None:
            self.rule.check_count(count)

    def option(self, name: str) -> Any:
        """Return the value of a hyper-parameter, its own or the rule's."""
        return getattr(self if name in self._own() else self.rule, name)

    def with_options(self, **options: Any) -> Self:
        """Return a copy with some hyper-parameters changed, its own and the rule's."""
        rule = {} if self.rule is None else self.rule.options()
        own = {name: value for name, value in options.items() if name not in rule}
        theirs = {name: value for name, value in options.items() if name in rule}
        if theirs and self.rule is not None:
            own["rule"] = self.rule.with_options(**theirs)
        with blaming(type(self), f"made with {', '.join(options)}"):
            return replace(self, **own)

    def required_rule(self) -> Merger:
        """Return the rule; `InputError` without one."""
        if self.rule is None:
            raise InputError(
                f"attack {self.name} is built on a rule that merges the other updates: name one, "
                f"such as {self.name}:ta"
            )
        return self.rule

    @classmethod
    def _own(cls) -> set[str]:
        return {item.name for item in fields(cls)} - {"rule"}
