"""Tables through the executor; the jobs of this Slurm run in this process (fake_slurm.py)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm
from miniature import FEW_IMAGES, LITTLE, PROTOCOL, TASKS
from rich.console import Console

from mergebench.cluster import Request, Slurm
from mergebench.errors import InputError, JobError
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import measure_merges, measure_standalone
from mergebench.report import write_table2


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    return FakeSlurm(monkeypatch)


def experiment(store: Path, *, leave: bool = False, cells: int = 1) -> Experiment:
    return Experiment(
        backbone="mini_vit",
        setting=LITTLE,
        protocol=PROTOCOL,
        seeds=(0,),
        store=store,
        command="mergebench table2",
        tasks=TASKS,
        attacks=("ta@full", "weighted_sum@full"),
        plugins=(FEW_IMAGES,),
        executor=Slurm(request=Request(), folder=store / "slurm", leave=leave, cells=cells),
    )


def measure(asked: Experiment, tmp_path: Path) -> str:
    """Measure the merges that are missing; return what is shown."""
    with (tmp_path / "shown").open("w") as stream:
        measured = measure_merges(asked, Monitor(Console(file=stream, width=300)), processes=1)
    write_table2(measured, asked.store / "table")
    return (tmp_path / "shown").read_text()


def measure_alone(asked: Experiment, tmp_path: Path) -> str:
    """Measure the updates that are missing; return what is shown, which a failure leaves too."""
    with (tmp_path / "shown").open("w") as stream:
        measure_standalone(asked, Monitor(Console(file=stream, width=300)), processes=1)
    return (tmp_path / "shown").read_text()


def table(store: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (store / "table").iterdir()}


@pytest.fixture(scope="module")
def local(little_store, tmp_path_factory) -> Path:
    """A store of what this process measured, with the tables in it."""
    asked = replace(experiment(little_store), executor=None)
    measure(asked, tmp_path_factory.mktemp("local"))
    return little_store


def without_merges(local: Path, store: Path) -> Path:
    """Make a store with the updates of another one and no cells."""
    store.mkdir()
    (store / "releases").symlink_to(local / "releases")
    return store


def test_the_table_is_that_of_this_machine_and_no_file_is_left(fake, local, tmp_path):
    store = without_merges(local, tmp_path / "store")
    shown = measure(experiment(store), tmp_path)
    assert table(store) == table(local)
    assert re.search(r"merges 1/6.*: ta@full, all unprotected, seed 0: alpha", shown)
    assert "merges: 6 measured, 0 recalled" in shown
    assert list((store / "slurm").iterdir()) == []
    assert fake.cancelled == []
    assert len(fake.requests) == 2  # arrays: the updates, and then their merges
    measure(experiment(store), tmp_path)
    assert len(fake.requests) == 2


def test_lost_jobs_are_named_with_their_logs_and_the_same_command_goes_on(fake, local, tmp_path):
    store = without_merges(local, tmp_path / "store")
    fake.lost = {1: "TIMEOUT", 2: "NODE_FAIL"}
    with pytest.raises(JobError) as caught:
        measure_alone(experiment(store), tmp_path)
    logs = sorted((store / "slurm").rglob("*_log.out"))
    lines = (tmp_path / "shown").read_text()
    for log, (number, state) in zip(logs, fake.lost.items(), strict=True):
        named = re.search(
            rf"job 1_{number} of Slurm \((\w+) \w+, seed 0\): {state}; log (\S+)", lines
        )
        assert named is not None
        assert Path(named[2]) == log
        assert named[0] in str(caught.value)
    assert str(caught.value).endswith("; the same command goes on")
    assert "adapters 3/5" in lines  # the others of the array were not ended
    fake.lost = {}
    shown = measure_alone(experiment(store), tmp_path)
    assert "adapters: 2 measured, 3 recalled" in shown


def test_wrong_input_of_one_job_ends_all(fake, local, tmp_path, monkeypatch, capsys):
    store = without_merges(local, tmp_path / "store")

    def full(number: int) -> None:
        def put(self, cell):
            raise InputError("cannot write x: No space left on device; free or choose another")

        monkeypatch.setattr("mergebench.experiment.store.Store.put", put)

    fake.before = full
    with pytest.raises(InputError, match=r"^cannot write x: No space left on device"):
        measure_alone(experiment(store), tmp_path)
    last = capsys.readouterr().err.splitlines()[-1]  # before that comes what the job's log gets
    assert last == "mergebench: cancelled 4 jobs of Slurm: 1"


@pytest.mark.parametrize("leave", [False, True])
def test_an_interrupt_cancels_the_jobs_or_leaves_them(fake, local, tmp_path, capsys, leave):
    store = without_merges(local, tmp_path / "store")

    def interrupt(number: int) -> None:
        if number == 1:
            raise KeyboardInterrupt

    fake.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        measure_alone(experiment(store, leave=leave), tmp_path)
    told = capsys.readouterr().err
    if leave:
        assert told == (
            "mergebench: left 4 jobs of Slurm; the same command goes on; to cancel: scancel 1\n"
        )
    else:
        assert told == "mergebench: cancelled 4 jobs of Slurm: 1\n"
    assert fake.cancelled == ([] if leave else ["1"])
