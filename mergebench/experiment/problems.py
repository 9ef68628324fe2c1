"""The updates of an experiment as problems of merging, one kind for each kind of attack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from weakref import WeakValueDictionary

import torch

from mergebench.backbones import Backbone
from mergebench.contracts import DataMerger, Space
from mergebench.device import free_bytes
from mergebench.experiment.protection_names import is_post_hoc
from mergebench.experiment.settings import Setting
from mergebench.experiment.trained_releases import TrainedReleases
from mergebench.measure import UNPROTECTED
from mergebench.merging import (
    DataMergeProblem,
    InformedProblem,
    MergeProblem,
    UpdateMemory,
    with_missing_as_zero,
)
from mergebench.progress import Progress
from mergebench.suites import Suite
from mergebench.updates import Update

DEVICE_SHARE = 0.2
"""Updates are merged on a GPU if they take at most this share of what is free there: a merge holds
about as much again as its result, and the weights before it."""


class Problems:
    """The updates of all tasks of a suite, that of a target being protected, to be merged.

    Updates are trained or read on first use, and merged where the backbone is; who merges with data
    gets them as they were read. What is found out about one of them serves all the sets that it is
    in.
    """

    def __init__(
        self, backbone: Backbone, suite: Suite, setting: Setting, releases: TrainedReleases
    ) -> None:
        self._backbone = backbone
        self._suite = suite
        self._precision = setting.precision
        self._adapters = setting.release == "lora"
        self._releases = releases
        self._known: defaultdict[torch.device, UpdateMemory] = defaultdict(UpdateMemory)
        self._moved: WeakValueDictionary[str, Update] = WeakValueDictionary()

    def sha256s(
        self, protection: str, target: str | None, seed: int, progress: Progress
    ) -> tuple[str, ...]:
        """Return the hashes of the updates that are merged, a store having records alone or all."""
        if self._extended(protection):
            return tuple(one.sha256 for one in self._released(protection, target, seed, progress))
        return tuple(
            self._releases.sha256(*whose, seed, progress)
            for whose in self._whose(protection, target)
        )

    def blind(
        self, space: Space, protection: str, target: str | None, seed: int, progress: Progress
    ) -> MergeProblem:
        """Return the merge by rules that look at updates alone."""
        updates = self._on_device(protection, target, seed, progress)
        return MergeProblem(updates, space=space, seed=seed, known=self._memory(updates))

    def informed(
        self, space: Space, protection: str, target: str, seed: int, progress: Progress
    ) -> InformedProblem:
        """Return the merge by attacks that know that the target's update may be protected."""
        updates = self._on_device(protection, target, seed, progress)
        return InformedProblem(
            updates,
            place=self._suite.task_names.index(target),
            space=space,
            seed=seed,
            known=self._memory(updates),
            base=lambda: self._backbone,
        )

    def with_data(
        self,
        merger: DataMerger,
        space: Space,
        protection: str,
        target: str | None,
        seed: int,
        progress: Progress,
        *,
        start: Callable[[], Update] | None = None,
    ) -> DataMergeProblem:
        """Return the merge by `merger`, with data; `start`: as of `DataMergeProblem`."""
        updates = self._released(protection, target, seed, progress)
        return DataMergeProblem(
            updates,
            backbone=self._backbone,
            tasks=self._suite.tasks,
            space=space,
            seed=seed,
            target=target if merger.targeted else None,
            start=start,
            precision=self._precision,
            known=self._memory(updates),
            reached=progress.reached,
        )

    def _memory(self, updates: list[Update]) -> UpdateMemory:
        """Return what is known of updates that are where these are; it is there too."""
        (first, *_) = updates[0].sites.values()
        return self._known[first.device]

    def _on_device(
        self, protection: str, target: str | None, seed: int, progress: Progress
    ) -> list[Update]:
        """Return the updates on the backbone's device if they fit there (`DEVICE_SHARE`).

        Those that another problem still holds are not copied again.
        """
        updates = self._released(protection, target, seed, progress)
        device = self._backbone.device
        size = sum(map(_bytes, updates))
        if device.type == "cpu" or size > DEVICE_SHARE * free_bytes(device):
            return updates
        there = [self._moved.get(update.sha256) or update.to(device) for update in updates]
        self._moved.update({update.sha256: update for update in there})
        return there

    def _released(
        self, protection: str, target: str | None, seed: int, progress: Progress
    ) -> list[Update]:
        """Return the updates; beside the checkpoint that one adapter became, others lack sites."""
        updates = [
            self._releases.update(*whose, seed, progress)
            for whose in self._whose(protection, target)
        ]
        return with_missing_as_zero(updates) if self._extended(protection) else updates

    def _whose(self, protection: str, target: str | None) -> list[tuple[str, str]]:
        """Return protection and task of every update."""
        names = self._suite.task_names
        return [(protection if task == target else UNPROTECTED, task) for task in names]

    def _extended(self, protection: str) -> bool:
        """Whether an update is merged that has more sites than the adapters beside it."""
        return self._adapters and is_post_hoc(protection)


def _bytes(update: Update) -> int:
    return sum(tensor.nbytes for one in update.sites.values() for tensor in one.tensors)
