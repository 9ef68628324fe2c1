"""Batches that do not fit are halved, and nothing but their size changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from training import TINY, synthetic_task, tiny_backbone

from mergebench.backbones import load_backbone
from mergebench.batching import Batches
from mergebench.measure import Evaluator
from mergebench.progress import Silent
from mergebench.suites import Split, load_suite
from mergebench.train import train
from protections.none import Unprotected

pytestmark = pytest.mark.gpu

MIB = 1 << 20


@contextmanager
def at_most(size: int, device: torch.device) -> Iterator[None]:
    """Let no more than `size` bytes be allocated beyond what is in use now."""
    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    limit = (torch.cuda.memory_reserved(device) + size) / total
    torch.cuda.set_per_process_memory_fraction(limit, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        torch.cuda.empty_cache()


def peak_of(device: torch.device, run: object) -> int:
    """Return how many bytes a call takes beyond what is in use before it."""
    assert callable(run)
    run()  # libraries keep buffers of their own from the first call on
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    return torch.cuda.max_memory_allocated(device) - before


def test_rows_are_computed_in_smaller_batches(gpu: torch.device) -> None:
    """A row takes 4 MiB, and 256 of them four times what there is."""

    def doubled(rows: torch.Tensor) -> torch.Tensor:
        return rows.float()[:, None].expand(-1, MIB).contiguous().sum(1) / MIB * 2

    batches, rows = Batches(256), torch.arange(256, device=gpu)
    with at_most(256 * MIB, gpu):
        found = batches.of(doubled, rows)
    assert batches.size < 256
    torch.testing.assert_close(found, 2 * rows.float())


def test_an_evaluation_counts_the_same(gpu: torch.device) -> None:
    backbone = load_backbone("mini_vit", device=gpu)
    tasks = load_suite("mini8", tasks=["mnist", "textures"]).tasks
    evaluator = Evaluator(backbone, tasks, batch_size=2000, precision="fp32")
    expected = evaluator.correct("test")
    peak = peak_of(gpu, lambda: evaluator.correct("test"))
    with at_most(peak // 4, gpu):
        found = evaluator.correct("test")
    assert evaluator._batches.size < 2000
    assert all(abs(found[task] - count) <= 2 for task, count in expected.items())


def test_a_training_batch_is_computed_in_parts(gpu: torch.device) -> None:
    backbone = tiny_backbone()
    backbone.model.to(gpu)
    task = synthetic_task()
    many = {
        name: Split(inputs=split.inputs.repeat(16, 1, 1, 1), labels=split.labels.repeat(16))
        for name, split in task.splits.items()
    }
    task = replace(task, splits=many)
    recipe = replace(
        TINY, batch_size=512, steps=2, evaluate_every=2, warmup_steps=0, precision="fp32"
    )

    def losses() -> list[float]:
        release = train(backbone, task, Unprotected(), recipe, 0, Silent())
        parts.append(release.record["parts_of_a_batch"])
        found: list[float] = release.record["losses"]
        return found

    parts: list[int] = []
    expected = losses()
    peak = peak_of(gpu, losses)
    with at_most(peak // 3, gpu):
        found = losses()
    assert parts[0] == 1
    assert parts[-1] > 1
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), rtol=1e-3, atol=1e-3)
