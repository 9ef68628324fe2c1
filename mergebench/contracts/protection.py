"""A way to produce an update that should resist merging."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, final

from mergebench.contracts.faults import blaming, broken, keeping_weights
from mergebench.contracts.plugin import Plugin
from mergebench.errors import shape_text

if TYPE_CHECKING:
    from mergebench.backbones import Backbone
    from mergebench.progress import Progress
    from mergebench.suites import Task
    from mergebench.updates import Update


@dataclass(frozen=True, kw_only=True, eq=False)
class Release:
    """What a protection returns: the update at nominal scale 1, and how it came about."""

    update: Update
    record: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Protection(Plugin, ABC):
    """A way to produce an update that should work at its nominal scale and resist merging.

    `of_checkpoints`: whether it acts on full checkpoints, so that what it releases has no low-rank
    factors, whatever was trained.
    """

    kind: ClassVar[str] = "protection"
    of_checkpoints: ClassVar[bool] = False

    @final
    def __call__(self, backbone: Backbone, task: Task, *, seed: int, progress: Progress) -> Release:
        """Return what `protect` does, held to its contract; `PluginError` if that is broken."""
        return self.held(
            backbone, task, lambda: self.protect(backbone, task, seed=seed, progress=progress)
        )

    @final
    def held(self, backbone: Backbone, task: Task, make: Callable[[], Release]) -> Release:
        """Return what `make` does for a task, held to the contract of `protect`."""
        where = f"on task {task.name}"
        with keeping_weights(type(self), backbone, where), blaming(type(self), where):
            release = make()
        fault = _fault(release, backbone)
        if fault is not None:
            raise broken(type(self), where, fault)
        return release

    def check(self, backbone: Backbone) -> None:
        """Raise `InputError` for a backbone on which it cannot act; asked ahead of any training.

        By default it can act on every one.
        """

    @abstractmethod
    def protect(self, backbone: Backbone, task: Task, *, seed: int, progress: Progress) -> Release:
        """Fine-tune `backbone` on `task` and return the released update.

        The backbone's weights are unchanged afterwards, bit for bit.
        """


def _fault(release: object, backbone: Backbone) -> str | None:
    """Return what is wrong with a release, if anything."""
    from mergebench.updates import Update

    if not isinstance(release, Release) or not isinstance(release.update, Update):
        what = "None" if release is None else type(release).__name__
        return f"protect returned {what}; expected a Release with an Update"
    if not isinstance(release.record, Mapping) or not release.update.sites:
        return "protect returned a record that is no mapping, or an update without sites"
    weights = backbone.tensors
    for site, change in release.update.sites.items():
        if site not in weights:
            return f"the update has a site {site}, which the backbone lacks"
        expected = tuple(weights[site].shape)
        if change.shape != expected:
            return (
                f"the update has shape {shape_text(change.shape)} at site {site}; "
                f"expected {shape_text(expected)}"
            )
    return None
