"""What evaluating, deploying and merging ask of a GPU: as little as they were brought to.

Bounds are what was counted, so that a wait or a copy that comes back is seen without a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from device_traffic import Traffic, traffic
from few_steps import with_few_steps
from few_updates import noisy_task, random_update
from pretended_gpu import pretended_gpu
from training import tiny_backbone

from mergebench.backbones import Backbone, stem_outputs
from mergebench.contracts import Merger, Space
from mergebench.gpu_check import merge_columns
from mergebench.gpu_check.merge_times import random_adapters
from mergebench.measure import Deployment, Evaluator
from mergebench.merging import MergeProblem
from mergebench.registry import registry

TASKS = ("one", "two", "three")
SHAPE = (256, 160)
"""Of more entries than the CPU looks at in one piece."""
SITES, UPDATES, RANK = 2, 3, 4

OWN_WAITS = {"sce": 1, "breadcrumbs": UPDATES, "localize_and_stitch": 2 * UPDATES + 1}
"""Of a site beyond one for each decomposition: how many entries vary decides what is sorted; and
once for a whole search, the thresholds of each update, and where the largest entries are."""
OWN_UPLOADS = {"della": UPDATES}
"""Of a site, every time: its draws, which are the CPU's and too many to keep."""
MOST_OPERATIONS = {"breadcrumbs": 38, "della": 62, "dare_ties": 44, "sce": 45, "ties": 35}
"""Of a site in one more merge; `LESS_OPERATIONS` of every other attack."""
LESS_OPERATIONS = 30


@pytest.fixture
def device() -> Iterator[torch.device]:
    with pretended_gpu() as pretended:
        yield pretended


@pytest.fixture
def backbone(device: torch.device) -> Backbone:
    backbone = tiny_backbone()
    backbone.model.to(device)
    return backbone


def test_the_instrument_sees_waits_copies_and_work(device: torch.device) -> None:
    numbers = torch.arange(6.0, device=device)
    host = torch.zeros(6)
    for ask, expected in (
        (lambda: float(numbers.sum()), (1, 1, 0)),
        (lambda: numbers.tolist(), (0, 1, 0)),
        (lambda: numbers.cpu(), (0, 1, 0)),
        (lambda: host.to(device), (0, 0, 1)),
        (lambda: numbers[numbers > 2], (2, 1, 0)),
        (lambda: numbers[torch.tensor([0, 1])], (1, 0, 1)),
        (lambda: numbers.nonzero(), (1, 1, 0)),
        (lambda: numbers.masked_fill_(numbers > 9, 0.0), (2, 0, 0)),
        (lambda: numbers.reshape(2, 3).T[0], (0, 0, 0)),
        (lambda: torch.tensor([1.0], device=device), (0, 0, 1)),
        (lambda: float(host.sum()), (0, 0, 0)),
    ):
        with traffic() as counts:
            ask()
        assert (counts.operations, counts.waits, counts.uploads) == expected, counts.names


@pytest.mark.parametrize("kept", [True, False], ids=["kept-stem", "whole-tower"])
def test_an_evaluation_waits_once(
    kept: bool, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of tasks and batches, and nothing is copied per batch."""
    if not kept:
        monkeypatch.setattr(stem_outputs, "KEPT_BYTES", 0)
    tasks = [noisy_task(name, number) for number, name in enumerate(TASKS)]
    evaluator = Evaluator(backbone, tasks, batch_size=5, precision="fp32")
    evaluator.correct("val")
    with traffic() as counts:
        evaluator.correct("val")
    assert (counts.waits, counts.uploads) == (1, 0), counts.names
    evaluator.hits("val", range(2))
    with traffic() as counts:
        evaluator.hits("val", range(2))
    assert (counts.waits, counts.uploads) == (0, 0), counts.names


def test_a_further_alpha_is_one_operation_per_site(backbone: Backbone) -> None:
    update = random_update(tiny_backbone(), 1).to(backbone.device)
    with traffic() as counts, Deployment(backbone, update) as deployment:
        pass
    assert (counts.waits, counts.uploads) == (0, 0), counts.names
    with Deployment(backbone, update) as deployment, traffic() as counts:
        deployment.set(0.3)
    assert (counts.operations, counts.waits, counts.uploads) == (len(update.sites), 0, 0)


@pytest.mark.parametrize("column", merge_columns())
def test_a_merge_waits_once_and_for_decompositions(column: str, device: torch.device) -> None:
    """A decomposition waits in PyTorch anyway; a rule may read its spectrum, in one piece."""
    attack, _, space = column.partition("@")
    merger = with_few_steps(registry().get(Merger, attack)())
    updates = random_adapters(SHAPE, SITES, UPDATES, RANK, device)
    problem = MergeProblem(updates, space=registry().get(Space, space)())
    own = SITES * OWN_WAITS.get(attack, 0)
    first = counted(problem, merger)
    assert first.waits <= 1 + first.decompositions + own, first.names
    again = counted(problem, merger)
    assert again.waits <= 1 + again.decompositions + own, again.names
    assert again.uploads <= SITES * OWN_UPLOADS.get(attack, 0), again.names
    assert again.decompositions <= 2 * SITES
    assert again.operations <= SITES * MOST_OPERATIONS.get(attack, LESS_OPERATIONS), again.names


def counted(problem: MergeProblem, merger: Merger) -> Traffic:
    with traffic() as counts:
        problem.merge(merger)
    return counts
