"""The updates of one experiment, trained on first use and kept as folders."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard
from weakref import WeakValueDictionary

from mergebench.backbones import Backbone
from mergebench.contracts import Protection, Release, blaming
from mergebench.experiment.making import Making
from mergebench.experiment.protection_names import plain_name
from mergebench.experiment.release_records import (
    Record,
    find_record,
    has_update,
    load_trained,
    place_of,
    restore_trained,
    training_of,
    write_trained,
)
from mergebench.experiment.releases import load_release
from mergebench.experiment.settings import Setting
from mergebench.files import check_writable, remove_leftovers
from mergebench.measure import UNPROTECTED, CellRun, Method, plain, sha256_of
from mergebench.progress import Progress
from mergebench.suites import Suite
from mergebench.train import PostHoc
from mergebench.updates import Update


class TrainedReleases:
    """The updates that protections release for the tasks of a suite, each trained once.

    They are kept in `folder`, with what was recorded of their training. `given`: a folder of
    released adapters, `<task>-<protection>`, that take the place of trained ones. Raises
    `InputError` when the folder cannot be made or written.
    """

    def __init__(
        self,
        backbone: Backbone,
        suite: Suite,
        setting: Setting,
        folder: Path,
        *,
        given: Path | None,
        making: Making,
    ) -> None:
        self._backbone = backbone
        self._suite = suite
        self._setting = setting
        self._folder = folder
        self._given = given
        self._making = making
        # Every merge needs the plain updates; one that is protected leaves memory with its merges.
        self._updates: WeakValueDictionary[tuple[str, str, int], Update] = WeakValueDictionary()
        self._plain: list[Update] = []
        self._sha256s: dict[tuple[str, str, int], str] = {}
        self._places: dict[str, str] = {}
        check_writable(folder)
        for known in folder.iterdir():
            remove_leftovers(known)

    def update(self, protection: str, task: str, seed: int, progress: Progress) -> Update:
        """Return the update that `protection` releases for `task`, trained or read on first use."""
        known = self._updates.get((protection, task, seed))
        if known is None:
            if self._given is None:
                folder, record = self._trained(protection, task, seed, progress)
                self._restore(
                    folder, record, partial(self._released, protection, task, seed, progress)
                )
                known = load_trained(folder, record, self._backbone)
            else:
                known = load_release(self._given / f"{task}-{protection}", self._backbone)
            self._updates[protection, task, seed] = known
            self._sha256s[protection, task, seed] = known.sha256
            if protection == UNPROTECTED:
                self._plain.append(known)
        return known

    def sha256(self, protection: str, task: str, seed: int, progress: Progress) -> str:
        """Return the hash of the update; of one that is not there, that of its record."""
        known = self._sha256s.get((protection, task, seed))
        if known is None and self._given is None:
            folder, record = self._trained(protection, task, seed, progress)
            known = None if has_update(folder) else record["update_sha256"]
        return known or self.update(protection, task, seed, progress).sha256

    def record(self, protection: str, task: str, seed: int, progress: Progress) -> Record:
        """Return what was recorded when the update was trained."""
        return self._trained(protection, task, seed, progress)[1]

    def place(self, update_sha256: str) -> str | None:
        """Return where an update that was asked for was trained; None where nobody noted it."""
        return self._places.get(update_sha256)

    def _trained(
        self, protection: str, task: str, seed: int, progress: Progress
    ) -> tuple[Path, Record]:
        """Return the folder of an update and its record."""
        method, own = self._setting.protection(protection), self._suite.task(task)
        lora = self._setting.release == "lora"
        inputs: dict[str, Any] = {
            "backbone": self._backbone.sha256,
            "sites": [*(self._backbone.sites if lora else self._backbone.tensors)],
            "task": own.sha256,
            "protection": Method.of(method),
            "seed": seed,
        }
        if self._starts_from_ours(method):
            inputs["plain_sha256"] = self.sha256(UNPROTECTED, task, seed, progress)
        named = plain_name(protection)  # the hash tells its forms apart
        what = named if lora else f"{named}-{self._setting.release}"
        folder = self._folder / f"{task}-{what}-{seed}-{sha256_of(inputs)[:16]}"

        def find() -> Record | None:
            return find_record(folder, inputs, self._backbone)

        def train() -> Record:
            start = time.perf_counter()
            release = self._released(protection, task, seed, progress)
            with blaming(type(method), f"on task {task}"):
                told = plain(release.record)
            run = CellRun.now(time.perf_counter() - start, self._backbone.device)
            write_trained(release.update, folder, self._backbone, inputs, told, run)
            record = find()
            assert record is not None
            return record

        record = self._making.found_or_made(folder.name, find, train)
        place = place_of(record)
        if place is not None:
            self._places[record["update_sha256"]] = place
        return folder, record

    def _restore(self, folder: Path, record: Record, released: Callable[[], Release]) -> None:
        """Have an update made again of which there is the record alone."""

        def train() -> bool:
            restore_trained(released().update, folder, record, self._backbone)
            return True

        self._making.found_or_made(folder.name, lambda: has_update(folder) or None, train)

    def _released(self, protection: str, task: str, seed: int, progress: Progress) -> Release:
        """Return what a protection releases; one that starts from a plain update takes ours."""
        method, own = self._setting.protection(protection), self._suite.task(task)
        if not self._starts_from_ours(method):
            return method(self._backbone, own, seed=seed, progress=progress)
        trained = Release(
            update=self.update(UNPROTECTED, task, seed, progress),
            record=training_of(self.record(UNPROTECTED, task, seed, progress)),
        )
        return method.after(trained, self._backbone, own, seed=seed)

    def _starts_from_ours(self, method: Protection) -> TypeGuard[PostHoc]:
        """Whether our unprotected update of a task and seed is what `method` would train first."""
        recipe = self._setting.options(UNPROTECTED)["recipe"]
        return isinstance(method, PostHoc) and method.starts_from_plain and method.recipe == recipe
