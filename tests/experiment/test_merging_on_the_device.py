"""Updates of an experiment are merged where the backbone is, if they fit there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from few_updates import random_update
from miniature import SETTING
from pretended_gpu import pretended_gpu
from training import tiny_backbone

from mergebench.contracts import Merger, Space
from mergebench.experiment import problems
from mergebench.measure import UNPROTECTED
from mergebench.progress import Silent
from mergebench.registry import registry

TASKS = ("one", "two")


def problems_on(device: torch.device | str) -> Any:
    """Return the problems of two random updates, of a backbone on the device."""
    backbone = tiny_backbone()
    known = {task: random_update(backbone, number) for number, task in enumerate(TASKS)}
    backbone.model.to(device)
    suite: Any = SimpleNamespace(task_names=TASKS)
    releases: Any = SimpleNamespace(update=lambda protection, task, seed, progress: known[task])
    return problems.Problems(backbone, suite, SETTING, releases)


def merged(found: Any) -> Any:
    space = registry().get(Space, "full")()
    problem = found.blind(space, UNPROTECTED, None, 0, Silent())
    return problem, problem.merge(registry().get(Merger, "ties")())


def test_a_merge_is_that_of_the_cpu_on_the_device() -> None:
    here, expected = merged(problems_on("cpu"))
    with pretended_gpu() as device:
        found = problems_on(device)
        there, result = merged(found)
        assert {one.device.type for one in result.sites.values()} == {"cuda"}
        changes = {site: one.to("cpu").dense() for site, one in result.sites.items()}
        again, _ = merged(found)
    assert [one.sha256 for one in there.updates] == [one.sha256 for one in here.updates]
    assert all(one is other for one, other in zip(there.updates, again.updates, strict=True))
    for site, change in expected.sites.items():
        torch.testing.assert_close(changes[site], change.dense())


def test_what_does_not_fit_is_merged_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after updates that did: what was found out about those is on the device."""
    with pretended_gpu() as device:
        found = problems_on(device)
        merged(found)
        monkeypatch.setattr(problems, "free_bytes", lambda device: 1 << 10)
        _, result = merged(found)
        assert {one.device.type for one in result.sites.values()} == {"cpu"}
