"""Devices, batches that shrink, and inputs that stay where they fit."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch
from light_jobs import WhichWorker
from training import synthetic_task, tiny_backbone

from mergebench.backbones import Inputs
from mergebench.batching import Batches
from mergebench.device import choose_device, device_name, free_bytes, processor_name, uses_tf32
from mergebench.errors import InputError
from mergebench.experiment import executors
from mergebench.experiment.executors import execute
from mergebench.measure.cell import CellRun
from mergebench.measure.evaluate import Evaluator


@pytest.fixture
def gpus(monkeypatch):
    """A machine that shows three GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)


def test_workers_are_spread_over_the_gpus(gpus):
    chosen = [choose_device(name, worker=worker) for name in ("auto", "cuda") for worker in (0, 4)]
    assert [str(device) for device in chosen] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert str(choose_device("cuda:2", worker=1)) == "cuda:2"
    assert str(choose_device("cpu", worker=1)) == "cpu"
    assert uses_tf32(torch.device("cuda", 0)) is False


@pytest.mark.parametrize("name", ["cuda:3", "gpu", "cuda:", "cuda:-1"])
def test_devices_that_are_not_there_are_refused(gpus, name):
    with pytest.raises(InputError, match=f"--device {name}: "):
        choose_device(name)


def test_without_a_gpu_the_cpu_is_chosen(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device() == torch.device("cpu")
    with pytest.raises(InputError, match="shows 0 usable GPUs"):
        choose_device("cuda")
    assert device_name(torch.device("cpu")) == processor_name()
    assert uses_tf32(torch.device("cpu")) is None
    assert free_bytes(torch.device("cpu")) > 0


def test_captions_name_the_device():
    run = CellRun(seconds=1, finished="", device="cuda", versions={}, device_name="H", tf32=False)
    assert run.place == "cuda (H, TF32 off)"
    assert CellRun.now(1, torch.device("cpu")).place == f"cpu ({processor_name()})"
    assert CellRun(seconds=1, finished="", device="cpu", versions={}).place == "cpu"


def test_the_processor_is_known_by_its_model_or_its_architecture(monkeypatch):
    files = {
        "ours": "processor : 0\nmodel name\t: Fast CPU 3\n",
        "hidden": "cpu family\t: 25\nmodel\t\t: 17\nmodel name\t: EPYC\n\ncpu family\t: 6\n",
        "other": "Features : fp\n",
    }
    found = {}
    for name, text in files.items():
        monkeypatch.setattr(Path, "read_text", lambda *_, text=text, **__: text)
        found[name] = processor_name.__wrapped__()
    monkeypatch.setattr(Path, "read_text", missing)
    found["none"] = processor_name.__wrapped__()
    assert found["ours"] == "Fast CPU 3"
    assert found["hidden"] == "EPYC, family 25, model 17"
    assert found["other"] == platform.machine()
    assert found["none"] == (platform.processor() or platform.machine())


def missing(*_, **__):
    raise FileNotFoundError


def test_batches_are_halved_until_they_fit():
    sizes = []

    def square(rows):
        if len(rows) > 3:
            raise torch.OutOfMemoryError
        sizes.append(len(rows))
        return rows**2

    batches, rows = Batches(16), torch.arange(10)
    assert torch.equal(batches.of(square, rows), rows**2)
    assert sizes == [2, 2, 2, 2, 2]  # 10, 5, 2
    assert batches.size == 2
    assert Batches(4).of(lambda rows: rows, torch.arange(0)).shape == (0,)


def test_a_row_that_does_not_fit_is_an_error():
    def never(rows):
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        Batches(4).of(never, torch.arange(4))


def test_an_evaluator_that_ran_out_of_memory_counts_the_same(monkeypatch):
    backbone, task = tiny_backbone(), synthetic_task()
    expected = Evaluator(backbone, [task], precision="fp32").hits("test")
    evaluator = Evaluator(backbone, [task], precision="fp32")
    compute = evaluator._features

    def tight(hidden):
        if len(hidden) > 3:
            raise torch.OutOfMemoryError
        return compute(hidden)

    monkeypatch.setattr(evaluator, "_features", tight)
    assert torch.equal(evaluator.hits("test")[task.name], expected[task.name])


@pytest.mark.parametrize("copied", [True, False])
def test_inputs_are_the_chosen_rows_of_all_parts_wherever_they_lie(copied):
    draws = torch.Generator().manual_seed(0)
    parts = [
        torch.randint(256, (count, 3, 4, 4), generator=draws, dtype=torch.uint8) for count in (5, 7)
    ]
    chosen = [torch.tensor([4, 1]), torch.tensor([0, 2, 6])]
    whole = torch.cat([part[rows] for part, rows in zip(parts, chosen, strict=True)])
    inputs = Inputs(parts, tiny_backbone(), chosen)
    if copied:
        inputs._resident = inputs._copied()
    rows = torch.tensor([4, 0, 2, 2])
    assert len(inputs) == 5
    assert inputs._bytes() == whole.nbytes
    assert torch.equal(inputs.of(rows), whole[rows])
    assert torch.equal(inputs.of(slice(1, 4)), whole[1:4])


def test_inputs_stay_on_the_host_where_another_process_took_the_memory(monkeypatch):
    inputs = Inputs([torch.zeros(2, 3, 4, 4, dtype=torch.uint8)], tiny_backbone())

    def full(*words, **options):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(torch, "empty", full)
    assert inputs._copied() is None


def test_workers_know_their_number(monkeypatch):
    monkeypatch.setattr(executors, "_added_plugins", tuple)  # those of other tests are not needed
    assert [done.result for done in execute([WhichWorker()])] == [0]
    results = {done.result for done in execute([WhichWorker()] * 2, processes=2)}
    assert results == {0, 1}
