"""Counts of the embedded backbone on the embedded suite, as they were when they were committed.

The tower runs in float32 with one thread, so a machine repeats its counts exactly; another CPU may
sum in another order, which moves images that lie on a decision boundary: up to 2 per 1000 are
allowed. After a deliberate change of the checkpoint or the suite, write new counts by
`python tests/guards/test_golden.py` and review them like code.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mergebench.backbones import Backbone, load_backbone
from mergebench.contracts import Merger, Space
from mergebench.measure.evaluate import Evaluator, deployed
from mergebench.merging.problem import MergeProblem
from mergebench.registry import registry
from mergebench.seeding import generator
from mergebench.suites import load_suite
from mergebench.updates.update import LowRank, Update

GOLDEN = Path(__file__).parent / "golden" / "mini_vit.json"
TASKS = ("mnist", "flags")
IMAGES = {"test": 500}
"""Of each task: a class-balanced half."""
MERGES = (("ta", "full", 0.3), ("ta", "full", 0.5), ("ties", "core", 0.3), ("ties", "core", 0.5))
RANK = 4


def synthetic_update(backbone: Backbone, task: str) -> Update:
    """Return a random adapter whose change of each site has twice the norm of its weight."""
    sites = {}
    for name, site in backbone.sites.items():
        draws = generator(0, "golden", task, name)
        up = torch.randn(site.out_features, RANK, generator=draws)
        down = torch.randn(RANK, site.in_features, generator=draws)
        ratio = float(site.weight.norm() / (up @ down).norm())
        sites[name] = LowRank(up=2 * ratio * up, down=down)
    return Update(sites=sites, label=task)


def measure() -> dict[str, dict[str, int]]:
    """Return the correct test counts, zero-shot and of every merge, by task."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        backbone = load_backbone("mini_vit")
        tasks = load_suite("mini8", TASKS).tasks
        evaluator = Evaluator(backbone, tasks, per_task=IMAGES, precision="fp32")
        updates = [synthetic_update(backbone, task) for task in TASKS]
        counts = {"zero-shot": evaluator.correct("test")}
        for attack, space, alpha in MERGES:
            problem = MergeProblem(updates, space=registry().get(Space, space)())
            merged = problem.merge(registry().get(Merger, attack)())
            with deployed(backbone, merged, alpha):
                counts[f"{attack}@{space} alpha {alpha:g}"] = evaluator.correct("test")
    finally:
        torch.set_num_threads(threads)
    return counts


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, int]]:
    return measure()


def test_counts_are_the_committed_ones(measured):
    expected = json.loads(GOLDEN.read_text())
    assert measured.keys() == expected.keys()
    wrong = [
        f"{what}, {task}: {measured[what][task]}, committed {count}"
        for what, counts in expected.items()
        for task, count in counts.items()
        if abs(measured[what][task] - count) > 2 * IMAGES["test"] / 1000
    ]
    assert not wrong, "\n".join(wrong)


def test_the_counts_tell_merges_apart(measured):
    assert len({tuple(counts.items()) for counts in measured.values()}) == len(measured)


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(measure(), indent=2) + "\n")
