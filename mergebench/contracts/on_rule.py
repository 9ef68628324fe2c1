"""What attacks have in common that are built on a rule of somebody else."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

from mergebench.contracts.attack import Attack
from mergebench.contracts.faults import blaming
from mergebench.contracts.merger import Merger
from mergebench.contracts.plugin import are_numbers, require
from mergebench.errors import InputError


@dataclass(frozen=True, kw_only=True)
class OnRule(Attack, ABC):
    """An attack about one of the updates that merges by a `rule`, in the spaces where that is.

    In tables it is called `name:rule@space`, and a search visits the hyper-parameters of both. Its
    merging coefficients are `alphas`; where that is None, those that a search of the rule alone
    visits, and `more_alphas`. Raises `InputError` if both have a hyper-parameter of one name.
    """

    more_alphas: ClassVar[tuple[float, ...]] = ()

    rule: Merger | None = None

    def __post_init__(self) -> None:
        """Check that names of hyper-parameters are not used twice."""
        super().__post_init__()
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
    def built_on(self) -> Merger | None:
        """The `rule`."""
        return self.rule

    @property
    def targeted(self) -> bool:
        """It is about one of the updates, whether that is protected or not."""
        return True

    @property
    def searched(self) -> Mapping[str, tuple[float, ...]]:
        """The grid of the rule, then its own."""
        return {**({} if self.rule is None else self.rule.grid), **self.visited}

    @property
    def nothing_at_zero(self) -> bool:
        """Not where something stays at 0, which is what coefficients of its own are for."""
        return super().nothing_at_zero and not self.more_alphas

    def sweeps(self, usual: tuple[float, ...]) -> tuple[tuple[float, ...], ...]:
        """Return `alphas`, or the sweeps of the rule and that of `more_alphas` not in them."""
        if self.alphas is not None:
            return (self.alphas,)
        known = (usual,) if self.rule is None else self.rule.sweeps(usual)
        visited = {alpha for sweep in known for alpha in sweep}
        more = tuple(alpha for alpha in self.more_alphas if alpha not in visited)
        return (*known, more) if more else known

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
    def check_class(cls) -> None:
        """Check what every attack says of itself, then its further coefficients."""
        super().check_class()
        more: object = cls.more_alphas
        require(
            more == () or are_numbers(more), f"more_alphas is {more!r}; give a tuple of numbers"
        )

    @classmethod
    def _own(cls) -> set[str]:
        return {item.name for item in fields(cls)} - {"rule"}
