"""Jobs here and in several processes: equal results, clean ends."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from copies import copies
from light_jobs import Fault, WhichWorker
from miniature import FEW_IMAGES
from processes import children_of

from mergebench.contracts import Merger
from mergebench.errors import InputError, JobError, PluginError
from mergebench.experiment import executors
from mergebench.experiment.executors import Report, execute
from mergebench.registry import registry
from mergebench.seeding import generator


@dataclass(frozen=True, kw_only=True)
class Sum:
    """Sums random numbers, whose order of addition depends on the number of threads.

    With it comes the name of an attack that a plug-in file brings.
    """

    seed: int

    @property
    def label(self) -> str:
        return f"sum {self.seed}"

    def run(self, report: Report) -> tuple[int, float, str]:
        numbers = torch.randn(200_000, generator=generator(self.seed))
        for part in range(3):
            report({"seed": self.seed, "part": part})
        found = registry().get(Merger, "weighted_sum").name
        return torch.get_num_threads(), float(numbers.sum()), found


@pytest.fixture(scope="module")
def quick_start() -> Iterator[None]:
    """Copy workers from a process that has imported their jobs: what they do is the same."""
    with copies("light_jobs") as context, pytest.MonkeyPatch.context() as patch:
        patch.setattr(executors, "get_context", lambda kind: context)
        yield


@pytest.fixture
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the plug-in files of other tests, which every worker would import."""
    monkeypatch.setattr(executors, "_added_plugins", tuple)


def collect(jobs: list[Any], processes: int) -> tuple[dict[int, Any], dict[int, list[Any]]]:
    events: dict[int, list[Any]] = {}
    results = {
        done.index: done.result
        for done in execute(
            jobs,
            processes=processes,
            on_event=lambda index, event: events.setdefault(index, []).append(event),
        )
    }
    return results, events


def test_results_and_events_do_not_depend_on_the_number_of_processes() -> None:
    registry().add_file(FEW_IMAGES)  # which every process has to know
    jobs = [Sum(seed=seed) for seed in range(5)]
    threads = torch.get_num_threads()
    results, events = collect(jobs, processes=1)
    assert (results, events) == collect(jobs, processes=2)
    assert list(results) == list(range(5))
    assert all(count == 1 for count, *_ in results.values())
    assert events[3] == [{"seed": 3, "part": part} for part in range(3)]
    assert torch.get_num_threads() == threads


def test_nothing_to_do() -> None:
    assert list(execute([], processes=4)) == []
    with pytest.raises(InputError, match="0 processes: give at least 1"):
        execute([], processes=0)


@pytest.mark.usefixtures("quick_start", "no_plugins")
@pytest.mark.parametrize("processes", [1, 2])
def test_input_errors_arrive_as_they_are(processes: int) -> None:
    with pytest.raises(InputError, match=r"^adapter\.safetensors is truncated: fetch it again$"):
        collect([Fault(kind="input"), WhichWorker()], processes)


@pytest.mark.usefixtures("quick_start", "no_plugins")
@pytest.mark.parametrize("processes", [1, 2])
def test_a_plugin_that_breaks_its_contract_is_named_as_it_is(processes: int) -> None:
    with pytest.raises(PluginError, match=r"^attack x of x\.py: at site y: KeyError$"):
        collect([Fault(kind="plugin"), WhichWorker()], processes)


@pytest.mark.usefixtures("quick_start", "no_plugins")
@pytest.mark.parametrize("processes", [1, 2])
def test_defects_name_the_job_and_keep_the_traceback(processes: int) -> None:
    with pytest.raises(JobError, match=r"^train textures: KeyError: 'weight'$") as caught:
        collect([Fault(kind="defect"), WhichWorker()], processes)
    cause = caught.value.__cause__
    assert isinstance(cause, KeyError) or "in run" in str(cause)


@pytest.mark.usefixtures("quick_start", "no_plugins")
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("exit", "train textures: SystemExit: 0"),
        ("memory", "train textures: not enough memory (MemoryError)"),
    ],
)
def test_whatever_a_job_raises_is_told(kind: str, message: str, processes: int) -> None:
    with pytest.raises(JobError, match=f"^{re.escape(message)}$"):
        collect([Fault(kind=kind), WhichWorker()], processes)


@pytest.mark.usefixtures("quick_start", "no_plugins")
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("kill", "train textures: its process was ended by SIGKILL; .*out of memory"),
        ("unpicklable", "train textures: .*pickle"),
    ],
)
def test_a_process_that_dies_ends_the_run(kind: str, message: str) -> None:
    with pytest.raises(JobError, match=message):
        collect([Fault(kind=kind), WhichWorker()], processes=2)
    assert children_of(os.getpid()) == []
