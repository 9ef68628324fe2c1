"""An attack that knows which update may be protected, and how: by what re-scaling does to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol, final

from mergebench.contracts.attack import Knowledge
from mergebench.contracts.faults import blaming, broken
from mergebench.contracts.on_rule import OnRule
from mergebench.contracts.plugin import fault_of_notes, require
from mergebench.errors import InputError, shape_text
from mergebench.seeding import generator

if TYPE_CHECKING:
    import torch

    from mergebench.backbones import Backbone
    from mergebench.updates import MergePath, Update


class MergesUpdates(Protocol):
    """Returns `D` of updates by one rule in one space."""

    def __call__(
        self, updates: Sequence[Update], coefficients: Sequence[float] | None = None
    ) -> Update:
        """Merge; `coefficients`: what each update is multiplied by ahead of the rule."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Suspected:
    """What an informed attack is given: all updates, and which of them may be protected.

    `place`: of the latter among `updates`, which are in the order of their tasks and labelled by
    their places. `merged` returns `D` of the updates that it is given, by the rule and in the space
    that the attack is built on; with coefficients it needs no copies of them.
    `seed`: of what an attack draws. `base` returns the backbone where it can be had. `kept`: what
    attacks made of the protected update alone, by their options. `notes`: what was noted of bases
    on the way, see `note`.
    """

    updates: tuple[Update, ...]
    place: int
    merged: MergesUpdates
    seed: int = 0
    base: Callable[[], Backbone] | None = field(default=None, repr=False)
    kept: dict[str, Update] = field(default_factory=dict, repr=False)
    notes: dict[str, float] = field(default_factory=dict, repr=False)

    @property
    def protected(self) -> Update:
        """The update that may be protected, τ_p."""
        return self.updates[self.place]

    @property
    def others(self) -> tuple[Update, ...]:
        """All other updates."""
        return (*self.updates[: self.place], *self.updates[self.place + 1 :])

    @property
    def backbone(self) -> Backbone:
        """The backbone, which has to stay as it is; `InputError` where its weights are missing."""
        if self.base is None:
            raise InputError("the attack compares with the backbone, which it was not given")
        return self.base()

    def note(self, what: str, value: float) -> None:
        """Note a value (see `Attack.smallest`); of several by one name the smallest is kept."""
        self.notes[what] = min(value, self.notes.get(what, value))

    def with_protected(self, update: Update) -> tuple[Update, ...]:
        """Return all updates, with `update` in the place of the one that may be protected."""
        return (*self.updates[: self.place], update, *self.updates[self.place + 1 :])

    def generator(self, purpose: str, site: str) -> torch.Generator:
        """Return the generator of this (seed, purpose, task, site): equal calls, equal draws."""
        return generator(self.seed, purpose, self.place, site)


@dataclass(frozen=True, kw_only=True)
class InformedMerger(OnRule, ABC):
    """A path `W0 + F + alpha D` on which the update that may be protected has a place of its own.

    `rule` merges updates on the way, and the attack is defined where the rule is.
    """

    knowledge: ClassVar[Knowledge] = "informed"
    spaces: ClassVar[tuple[str, ...]] = ("full", "knots", "core")

    @classmethod
    def check_class(cls) -> None:
        """Check what every attack says of itself, then that it is informed and given no data."""
        super().check_class()
        said = cls.knowledge, cls.data
        require(
            said == ("informed", "none"),
            f"knowledge and data are {said}; an InformedMerger is informed and given no data",
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
    return fault_of_notes(given.notes)
