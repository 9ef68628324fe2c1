"""An attack that knows which update may be protected, and how: by what re-scaling does to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

from mergebench.contracts.faults import blaming, broken
from mergebench.contracts.merger import Attack, Knowledge, Merger
from mergebench.contracts.plugin import require
from mergebench.errors import InputError, shape_text

if TYPE_CHECKING:
    from mergebench.updates import MergePath, Update


@dataclass(frozen=True, kw_only=True, eq=False)
class Suspected:
    """What an informed attack is given: all updates, and which of them may be protected.

    `place`: of the latter among `updates`, which are in the order of their tasks. `merged` returns
    `D` of the updates that it is given, by the rule and in the space that the attack is built on.
    """

    updates: tuple[Update, ...]
    place: int
    merged: Callable[[Sequence[Update]], Update]

    @property
    def protected(self) -> Update:
        """The update that may be protected, τ_p."""
        return self.updates[self.place]

    @property
    def others(self) -> tuple[Update, ...]:
        """All other updates."""
        return (*self.updates[: self.place], *self.updates[self.place + 1 :])


@dataclass(frozen=True, kw_only=True)
class InformedMerger(Attack, ABC):
    """A path `W0 + F + alpha D` on which the update that may be protected has a place of its own.

    `rule` merges updates on the way; in tables the attack is called `name:rule@space`, and a search
    visits the hyper-parameters of both. It is defined where the rule is. Raises `InputError` if
    both have a hyper-parameter of one name.
    """

    knowledge: ClassVar[Knowledge] = "informed"
    spaces: ClassVar[tuple[str, ...]] = ("full", "knots", "core")

    rule: Merger | None = None

    @classmethod
    def check_class(cls) -> None:
        """Check what every attack says of itself, then that it is informed and given no data."""
        super().check_class()
        said = cls.knowledge, cls.data
        require(
            said == ("informed", "none"),
            f"knowledge and data are {said}; an InformedMerger is informed and given no data",
        )

    def __post_init__(self) -> None:
        """Check that names of hyper-parameters are not used twice."""
        both = self._own().intersection(() if self.rule is None else self.rule.options())
        if both:
            raise InputError(
                f"attack {self.label}: both have the hyper-parameter {sorted(both)[0]}"
            )

    @final
    def __call__(self, given: Suspected) -> MergePath:
        """Return `path(given)`, held to its contract; `PluginError` if that is broken."""
        with blaming(type(self), "in path"):
            path = self.path(given)
        fault = _fault(path, given)
        if fault is not None:
            raise broken(type(self), "in path", fault)
        return path

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

    def option(self, name: str) -> Any:
        """Return the value of a hyper-parameter, its own or the rule's."""
        return getattr(self if name in self._own() else self.rule, name)

    def with_options(self, **options: Any) -> Self:
        """Return a copy with some hyper-parameters changed, its own and the rule's."""
        own = {name: value for name, value in options.items() if name in self._own() | {"rule"}}
        theirs = {name: value for name, value in options.items() if name not in own}
        if theirs and self.rule is not None:
            own["rule"] = self.rule.with_options(**theirs)
        elif theirs:
            own |= theirs
        with blaming(type(self), f"made with {', '.join(options)}"):
            return replace(self, **own)

    @classmethod
    def _own(cls) -> set[str]:
        return {item.name for item in fields(cls)} - {"rule"}

    @abstractmethod
    def path(self, given: Suspected) -> MergePath:
        """Return `F + alpha D`, in the dtypes and shapes of the updates."""


def _fault(path: object, given: Suspected) -> str | None:
    """Return what is wrong with a path, if anything."""
    from mergebench.updates import MergePath

    if not isinstance(path, MergePath):
        return f"returned {type(path).__name__}; expected a MergePath"
    known = given.protected.sites
    for update in (path.direction, path.fixed):
        for site, change in () if update is None else update.sites.items():
            if site not in known:
                return f"the result has a site {site}, which no update changes"
            if change.shape != known[site].shape or change.dtype != known[site].dtype:
                return (
                    f"the result has {change.dtype} of shape {shape_text(change.shape)} at site "
                    f"{site}; expected {known[site].dtype} of shape {shape_text(known[site].shape)}"
                )
    return None
