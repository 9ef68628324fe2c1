"""An attack that puts another update in the protected one's place, and then merges by any rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, final

from mergebench.contracts.attack import Knowledge
from mergebench.contracts.data_merger import DataMerger, MergeData
from mergebench.contracts.faults import broken
from mergebench.contracts.on_rule import OnRule
from mergebench.contracts.plugin import require
from mergebench.errors import InputError, shape_text

if TYPE_CHECKING:
    from mergebench.updates import Update


@dataclass(frozen=True, kw_only=True)
class ReplacingMerger(OnRule, DataMerger, ABC):
    """`W0 + α f(τ_1, ..., τ'_p, ..., τ_T)` with a stand-in `τ'_p` for the protected update `τ_p`.

    The stand-in is made from inputs, once for all rules `f`, whose coefficient and hyper-parameters
    are searched as the protocol says.
    """

    knowledge: ClassVar[Knowledge] = "informed"
    spaces: ClassVar[tuple[str, ...]] = ("full", "knots", "core")
    alphas: ClassVar[tuple[float, ...] | None] = None

    @classmethod
    def check_class(cls) -> None:
        """Check what every attack says of itself, then that it is informed."""
        super().check_class()
        require(
            cls.knowledge == "informed",
            f"knowledge is {cls.knowledge!r}; a ReplacingMerger knows which update to replace",
        )

    @final
    def merge(self, given: MergeData) -> Update:
        """Return the rule's merge of the stand-in and the other updates.

        Raises `InputError` without a rule or a target.
        """
        rule, place = self.required_rule(), self.place(given)
        key = repr(replace(self, rule=None))
        if key not in given.kept:
            made = self.stand_in(given)
            fault = _fault(made, given)
            if fault is not None:
                raise broken(type(self), "in stand_in", fault)
            given.kept[key] = made, dict(given.notes)
        made, notes = given.kept[key]
        given.notes.update(notes)
        return given.merged((*given.updates[:place], made, *given.updates[place + 1 :]), rule)

    def stated(self) -> Mapping[str, Any]:
        """Return the hyper-parameters for a caption, those of the rule aside."""
        return {name: value for name, value in super().stated().items() if name != "rule"}

    def place(self, given: MergeData) -> int:
        """Return which of the updates may be protected; `InputError` without a target."""
        names = [task.name for task in given.tasks]
        if given.target not in names:
            raise InputError(
                f"attack {self.name} needs a target among {', '.join(names)}, not {given.target}"
            )
        return names.index(given.target)

    @abstractmethod
    def stand_in(self, given: MergeData) -> Update:
        """Return `τ'_p`: the sites, shapes and dtypes of the other updates.

        It depends on the attack's own options and on no rule.
        """


def _fault(made: object, given: MergeData) -> str | None:
    """Return what is wrong with a stand-in, if anything."""
    from mergebench.updates import Update

    if not isinstance(made, Update):
        return f"returned {type(made).__name__}; expected an Update"
    known = given.updates[0].sites
    if made.sites.keys() != known.keys():
        odd = sorted(made.sites.keys() ^ known.keys())[0]
        return f"the stand-in and the updates change other sites, such as {odd}"
    for site, change in made.sites.items():
        if change.shape != known[site].shape or change.dtype != known[site].dtype:
            return (
                f"the stand-in has {change.dtype} of shape {shape_text(change.shape)} at site "
                f"{site}; expected {known[site].dtype} of shape {shape_text(known[site].shape)}"
            )
    return None
