"""The unprotected updates of a suite that a store has, for who needs some and trains none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mergebench.backbones import Backbone
from mergebench.experiment.making import Making, NotMeasuredError
from mergebench.experiment.settings import Setting
from mergebench.experiment.trained_releases import TrainedReleases
from mergebench.measure import UNPROTECTED
from mergebench.progress import Silent
from mergebench.suites import Suite
from mergebench.updates import Update


def released_tasks(store: Path, tasks: Sequence[str], *, seed: int) -> list[str]:
    """Return those of `tasks` of which a store has unprotected updates, made from whatever."""
    folder = store / "releases"
    return [task for task in tasks if any(folder.glob(f"{task}-{UNPROTECTED}-{seed}-*"))]


def kept_releases(
    backbone: Backbone, suite: Suite, setting: Setting, store: Path, *, seed: int
) -> dict[str, Update]:
    """Return the unprotected updates of the suite's tasks that a store has, by task.

    Those alone that were trained from this backbone, these data and this setting; nothing is
    trained. Raises `InputError` for a damaged one.
    """
    making = Making(store / "claims")
    releases = TrainedReleases(
        backbone, suite, setting, store / "releases", given=None, making=making
    )
    found = {}
    for task in suite.task_names:
        with making.recalling_only():
            try:
                found[task] = releases.update(UNPROTECTED, task, seed, Silent())
            except NotMeasuredError:
                continue
    return found
