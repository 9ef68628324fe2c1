"""An experiment's updates as problems of merging: whose they are, and where they are merged."""

from __future__ import annotations

from collections import Counter
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
RELEASES = [(protection, task) for protection in (UNPROTECTED, "trap2") for task in TASKS]


def problems_on(device: torch.device | str) -> Any:
    """Return the problems of random updates, of a backbone on the device."""
    backbone = tiny_backbone()
    known = {one: random_update(backbone, number) for number, one in enumerate(RELEASES)}
    backbone.model.to(device)
    suite: Any = SimpleNamespace(task_names=TASKS)
    releases: Any = SimpleNamespace(update=lambda *release: known[release[:2]])
    return problems.Problems(backbone, suite, SETTING, releases)


def merged(found: Any) -> Any:
    space = registry().get(Space, "full")()
    problem = found.blind(space, UNPROTECTED, None, 0, Silent())
    return problem, problem.merge(registry().get(Merger, "ties")())


def test_a_problem_protects_the_target_alone() -> None:
    problem = problems_on("cpu").blind(registry().get(Space, "full")(), "trap2", "two", 0, Silent())
    expected = [RELEASES.index(one) for one in ((UNPROTECTED, "one"), ("trap2", "two"))]
    assert [update.label for update in problem.updates] == [f"update {n}" for n in expected]


def test_merges_of_one_problem_share_their_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    core = registry().get(Space, "core")
    encode = core.encode
    calls: Counter[bool] = Counter()

    def counted(self: Space, updates: Any, *, rotation_invariant: bool) -> Any:
        calls[rotation_invariant] += 1
        return encode(self, updates, rotation_invariant=rotation_invariant)

    monkeypatch.setattr(core, "encode", counted)
    problem = problems_on("cpu").blind(core(), "trap2", "one", 0, Silent())
    for attack in ("ties", "dare_ties", "ties"):
        problem.merge(registry().get(Merger, attack)())
    assert sum(calls.values()) == len(tiny_backbone().sites)


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
