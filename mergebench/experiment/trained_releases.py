"""The updates of one experiment, trained on first use and kept as folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mergebench.backbones import Backbone
from mergebench.contracts import blaming
from mergebench.experiment.releases import load_release, save_release
from mergebench.experiment.settings import Setting
from mergebench.files import replacing
from mergebench.measure import Method, plain, sha256_of
from mergebench.progress import Progress
from mergebench.suites import Suite
from mergebench.updates import Update


class TrainedReleases:
    """The updates that protections release for the tasks of a suite, each trained once.

    They are kept in `folder`, with what was recorded of their training. `given`: a folder of
    released adapters, `<task>-<protection>`, that take the place of trained ones.
    `before_training` is called before an update is trained that is not there.
    """

    def __init__(
        self,
        backbone: Backbone,
        suite: Suite,
        setting: Setting,
        folder: Path,
        *,
        given: Path | None,
        before_training: Callable[[], None],
    ) -> None:
        self._backbone = backbone
        self._suite = suite
        self._setting = setting
        self._folder = folder
        self._given = given
        self._before_training = before_training
        self._updates: dict[tuple[str, str, int], Update] = {}

    def update(self, protection: str, task: str, seed: int, progress: Progress) -> Update:
        """Return the update that `protection` releases for `task`, trained or read on first use."""
        known = self._updates.get((protection, task, seed))
        if known is None:
            if self._given is None:
                folder = self._train_once(protection, task, seed, progress)
            else:
                folder = self._given / f"{task}-{protection}"
            known = load_release(folder, self._backbone)
            self._updates[protection, task, seed] = known
        return known

    def record(self, protection: str, task: str, seed: int, progress: Progress) -> dict[str, Any]:
        """Return what was recorded when the update was trained."""
        file = self._train_once(protection, task, seed, progress) / "record.json"
        record: dict[str, Any] = json.loads(file.read_text())
        return record

    def _train_once(self, protection: str, task: str, seed: int, progress: Progress) -> Path:
        method, own = self._setting.protection(protection), self._suite.task(task)
        lora = self._setting.release == "lora"
        content = {
            "backbone": self._backbone.sha256,
            "sites": [*(self._backbone.sites if lora else self._backbone.tensors)],
            "task": own.sha256,
            "protection": Method.of(method),
            "seed": seed,
        }
        what = protection if lora else f"{protection}-{self._setting.release}"
        folder = self._folder / f"{task}-{what}-{seed}-{sha256_of(content)[:16]}"
        record = folder / "record.json"
        if not record.is_file():  # written last: its presence says that the update is complete
            self._before_training()
            release = method(self._backbone, own, seed=seed, progress=progress)
            save_release(release.update, folder, self._backbone)
            with blaming(type(method), f"on task {task}"):
                told = plain({**content, **release.record})
            with replacing(record) as temporary:
                text = json.dumps(told, indent=1, sort_keys=True)
                temporary.write_text(text + "\n")
        return folder
