"""A way to produce an update that should resist merging."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mergebench.contracts.plugin import Plugin

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
    """A way to produce an update that should work at its nominal scale and resist merging."""

    @abstractmethod
    def protect(self, backbone: Backbone, task: Task, *, seed: int, progress: Progress) -> Release:
        """Fine-tune `backbone` on `task` and return the released update.

        The backbone's weights are unchanged afterwards, bit for bit.
        """
