"""An attack that looks at inputs, and what it is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, final

from mergebench.contracts.attack import Attack, DataUse
from mergebench.contracts.faults import blaming, broken, keeping_weights
from mergebench.contracts.merger import Merger
from mergebench.contracts.plugin import fault_of_notes, require
from mergebench.errors import InputError, check_choice, check_range, shape_text
from mergebench.plurals import how_many
from mergebench.progress import Reached, unheard

if TYPE_CHECKING:
    from mergebench.backbones import Backbone, Precision
    from mergebench.suites import Task
    from mergebench.updates import Update


Split = Literal["train", "val"]


def _unmerged(updates: Sequence[Update], rule: Merger) -> Update:
    raise NotImplementedError("only what merges a set of updates knows how")


class UnfitUpdateError(InputError):
    """An attack has no use for the update at `place`, which it knows by its task alone.

    Who knows the file names it.
    """

    def __init__(self, place: int, fault: str) -> None:
        super().__init__(fault)
        self.place = place


@dataclass(frozen=True, kw_only=True, eq=False)
class MergeData:
    """What a data-aware attack is given: the updates, the backbone, and some inputs per task.

    `updates` are labelled by their tasks: where a file lies would say which one is protected.
    `tasks`: the tasks of `updates`, in their order; split `train` holds the inputs within the
    attack's budget, `val` what may select among candidates, and `test` is empty, as all splits are
    of a task that the attack does not look at. All labels are -1 for an attack whose `data` are
    unlabelled. `target`: the task that the attack is about, if it is about one. `start`: the merge
    that it starts from, its coefficient included, if it asked for one (`DataMerger.starts_from`).
    `precision` of forward passes. `notes`: where the attack writes down what it found, to be stored
    with the result.
    `merged` returns the merge of updates by a rule, in the space in which the attack merges;
    `kept`: what attacks made of these updates and inputs, by their options, and noted meanwhile.
    `reached`: is told by the attack how much of its work is done, from above 0 to 1 at its end.
    """

    backbone: Backbone
    updates: tuple[Update, ...]
    tasks: tuple[Task, ...]
    seed: int
    target: str | None = None
    start: Update | None = None
    precision: Precision = "fp32"
    notes: dict[str, float] = field(default_factory=dict, repr=False)
    merged: Callable[[Sequence[Update], Merger], Update] = field(default=_unmerged, repr=False)
    kept: dict[str, tuple[Update, dict[str, float]]] = field(default_factory=dict, repr=False)
    reached: Reached = field(default=unheard, repr=False)


@dataclass(frozen=True, kw_only=True)
class DataMerger(Attack, ABC):
    """An attack that looks at inputs; it acts on whole updates, in Full space.

    `data` says whether at their labels too, `knowledge` whether it knows the target: a blind one is
    told none. `alphas` are 1 alone where the method determines the size of its result. The fields
    are its budget: `split` to draw
    from (never test inputs), and `inputs_per_class`, or `inputs_per_task`, spread evenly over the
    classes, where the former is 0.
    """

    data: ClassVar[DataUse] = "unlabelled"
    alphas: ClassVar[tuple[float, ...] | None] = (1.0,)
    stored_as: ClassVar[Mapping[str, str]] = {
        "inputs_per_task": "images_per_task",
        "inputs_per_class": "images_per_class",
    }

    split: Split = "val"
    inputs_per_task: int = 100
    inputs_per_class: int = 0

    def __post_init__(self) -> None:
        """Check that the budget is one, and not of test inputs."""
        super().__post_init__()
        check_choice(f"attack {self.name}: split", self.split, Split)
        for what in ("inputs_per_task", "inputs_per_class"):
            check_range(f"attack {self.name}: {what}", getattr(self, what), 0, 1_000_000_000)

    @classmethod
    def check_class(cls) -> None:
        """Check what every attack says of itself, then that it says which data it looks at."""
        super().check_class()
        require(cls.data != "none", "data is 'none'; a DataMerger looks at inputs: say at which")

    @final
    def __call__(self, given: MergeData) -> Update:
        """Return `merge(given)`, held to its contract; `PluginError` if that is broken."""
        where = "in merge"
        if self.targeted and self.knowledge == "blind":
            blind = "it is about a target, which a blind attack is not told: declare it informed"
            raise broken(type(self), "", blind)
        with keeping_weights(type(self), given.backbone, where), blaming(type(self), where):
            merged = self.merge(self.attempted(given))
        fault = _fault(merged, given)
        if fault is not None:
            raise broken(type(self), where, fault)
        return merged

    def attempted(self, given: MergeData) -> MergeData:
        """Return what the attempt at hand is given; there is but one (see `SweptMerger`)."""
        return given

    @property
    def looks_at_others(self) -> bool:
        """Whether it looks at inputs of other tasks than the target's; else it is given none."""
        return True

    @property
    def starts_from(self) -> str | None:
        """The `attack@space` whose searched merge is given as `start`; None if none is needed."""
        return None

    def budget(self, inputs: str) -> str:
        """Return in words for a caption what it looks at; `inputs`: as of `Suite.inputs`."""
        one = inputs.removesuffix("s")
        if self.inputs_per_class > 0:
            return f"{how_many(self.inputs_per_class, one)} per class from split {self.split}"
        counted = how_many(self.inputs_per_task, one)
        return f"{counted} per task from split {self.split}, class-balanced"

    def stated(self) -> Mapping[str, Any]:
        """Return the hyper-parameters that a caption states beside `budget`."""
        spent = {item.name for item in fields(DataMerger)}
        return {name: value for name, value in self.options().items() if name not in spent}

    def from_base(self) -> Self | None:
        """Return the same attack with W0 in place of the merge that it starts from.

        It is what a merger has who discards the updates, so that a protection means something
        against this attack only if the attack ends below it. None if there is no such attack.
        """
        return None

    @abstractmethod
    def merge(self, given: MergeData) -> Update:
        """Return the merged update `D`: float32, the sites and shapes of the updates or more.

        The backbone's weights are the same afterwards, bit for bit.
        """


def _fault(merged: object, given: MergeData) -> str | None:
    """Return what is wrong with a merged update or with the notes, if anything."""
    import torch

    from mergebench.updates import Update

    if not isinstance(merged, Update):
        what = "None" if merged is None else type(merged).__name__
        return f"returned {what}; expected an Update"
    lacking = [site for site in given.updates[0].sites if site not in merged.sites]
    if lacking:
        return (
            f"the result lacks {how_many(len(lacking), 'site')} of the updates, such as "
            f"{lacking[0]}"
        )
    weights = given.backbone.tensors
    for site, change in merged.sites.items():
        if site not in weights:
            return f"the result has a site {site}, which the backbone lacks"
        expected = tuple(weights[site].shape)
        if change.shape != expected or change.dtype != torch.float32:
            return (
                f"the result has {change.dtype} of shape {shape_text(change.shape)} at site {site};"
                f" expected torch.float32 of shape {shape_text(expected)}"
            )
    return fault_of_notes(given.notes)
