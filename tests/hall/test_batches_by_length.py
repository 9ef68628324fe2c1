"""Batches of like length give the results in the order of the rows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mergebench.batching import Batches

LENGTHS = torch.tensor([5, 2, 9, 2, 7, 5, 1])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_results_are_in_the_order_of_the_rows(size):
    rows = torch.tensor([10, 11, 12, 13, 14, 15, 16])
    seen = []

    def compute(batch: Tensor) -> Tensor:
        seen.append(batch)
        return torch.stack([batch, batch**2], dim=1)

    found = Batches(size).of(compute, rows, LENGTHS)
    assert torch.equal(found, torch.stack([rows, rows**2], dim=1))
    assert torch.equal(torch.cat(seen), torch.tensor([16, 11, 13, 10, 15, 14, 12]))
    assert all(len(batch) <= size for batch in seen)


def test_rows_without_lengths_stay_in_their_order():
    seen = []
    found = Batches(3).of(lambda batch: seen.append(batch) or batch * 2, torch.arange(7))
    assert torch.equal(found, 2 * torch.arange(7))
    assert torch.equal(torch.cat(seen), torch.arange(7))


def test_no_rows_are_no_results():
    nothing = torch.arange(0)
    assert Batches(3).of(lambda batch: batch.float()[:, None], nothing, nothing).shape == (0, 1)


def test_a_batch_that_does_not_fit_is_halved_and_the_order_kept(monkeypatch):
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)

    def compute(batch: Tensor) -> Tensor:
        if len(batch) > 3:
            raise torch.OutOfMemoryError
        return batch

    batches = Batches(8)
    assert torch.equal(batches.of(compute, torch.arange(7), LENGTHS), torch.arange(7))
    assert batches.size == 3


def test_batches_end_where_lengths_differ():
    lengths = torch.cat([torch.full((20,), 8), torch.full((4,), 9), torch.full((30,), 12)])
    seen = []

    def compute(batch: Tensor) -> Tensor:
        seen.append(batch.tolist())
        return batch

    assert torch.equal(Batches(256).of(compute, torch.arange(54), lengths), torch.arange(54))
    assert [len(batch) for batch in seen] == [24, 30]
    seen.clear()
    Batches(256).of(compute, torch.arange(20), torch.arange(20) ** 2)
    assert [len(batch) for batch in seen] == [
        16,
        4,
    ]
