"""Jobs here and in several processes: equal results, clean ends."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from copies import copies
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
    """Sums random numbers, whose order of addition depends on the number of threads."""

    seed: int

    @property
    def label(self) -> str:
        return f"sum {self.seed}"

    def run(self, report: Report) -> tuple[int, float]:
        numbers = torch.randn(200_000, generator=generator(self.seed))
        for part in range(3):
            report({"seed": self.seed, "part": part})
        return torch.get_num_threads(), float(numbers.sum())


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Fails in one of several ways."""

    kind: str
    label: str = "train textures"

    def run(self, report: Report) -> object:
        if self.kind == "input":
            raise InputError("adapter.safetensors is truncated: fetch it again")
        if self.kind == "plugin":
            raise PluginError("attack x of x.py: at site y: KeyError")
        if self.kind == "defect":
            raise KeyError("weight")
        if self.kind == "exit":
            sys.exit(0)
        if self.kind == "memory":
            raise MemoryError
        if self.kind == "unpicklable":
            return lambda: None
        return os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def quick_start() -> Iterator[None]:
    """Copy workers from a process that has imported everything: what they do is the same."""
    with copies(__name__) as context, pytest.MonkeyPatch.context() as patch:
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
    jobs = [Sum(seed=seed) for seed in range(5)]
    threads = torch.get_num_threads()
    results, events = collect(jobs, processes=1)
    assert (results, events) == collect(jobs, processes=2)
    assert list(results) == list(range(5))
    assert all(count == 1 for count, _ in results.values())
    assert events[3] == [{"seed": 3, "part": part} for part in range(3)]
    assert torch.get_num_threads() == threads


@dataclass(frozen=True, kw_only=True)
class Find:
    """Finds an attack by name."""

    attack: str
    label: str = "find"

    def run(self, report: Report) -> str:
        return registry().get(Merger, self.attack).name


@pytest.mark.usefixtures("quick_start")
def test_plugin_files_are_known_in_every_process() -> None:
    registry().add_file(FEW_IMAGES)
    results, _ = collect([Find(attack="weighted_sum")] * 2, processes=2)
    assert results == {0: "weighted_sum", 1: "weighted_sum"}


def test_nothing_to_do() -> None:
    assert list(execute([], processes=4)) == []
    with pytest.raises(InputError, match="0 processes: give at least 1"):
        execute([], processes=0)


@pytest.mark.usefixtures("quick_start", "no_plugins")
@pytest.mark.parametrize("processes", [1, 2])
def test_input_errors_arrive_as_they_are(processes: int) -> None:
    with pytest.raises(InputError, match=r"^adapter\.safetensors is truncated: fetch it again$"):
        collect([Fault(kind="input"), Sum(seed=0)], processes)


@pytest.mark.usefixtures("quick_start", "no_plugins")
@pytest.mark.parametrize("processes", [1, 2])
def test_a_plugin_that_breaks_its_contract_is_named_as_it_is(processes: int) -> None:
    with pytest.raises(PluginError, match=r"^attack x of x\.py: at site y: KeyError$"):
        collect([Fault(kind="plugin"), Sum(seed=0)], processes)


@pytest.mark.usefixtures("quick_start", "no_plugins")
@pytest.mark.parametrize("processes", [1, 2])
def test_defects_name_the_job_and_keep_the_traceback(processes: int) -> None:
    with pytest.raises(JobError, match=r"^train textures: KeyError: 'weight'$") as caught:
        collect([Fault(kind="defect"), Sum(seed=0)], processes)
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
        collect([Fault(kind=kind), Sum(seed=0)], processes)


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
        collect([Fault(kind=kind), Sum(seed=0)], processes=2)
    assert children_of(os.getpid()) == []
