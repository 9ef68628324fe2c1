"""What Slurm is asked for, and what it answers; its programs are shell scripts here."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path

import pytest

from mergebench.cluster import queue
from mergebench.cluster.queue import Place
from mergebench.cluster.slurm import grouped
from mergebench.cluster.submission import Request, submitted
from mergebench.cluster.task import Task
from mergebench.errors import InputError


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return what makes a program on the PATH out of shell lines."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def make(name: str, lines: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{lines}\n")
        (folder / name).chmod(0o755)

    make("srun", "exit 1")
    return make


def tasks(folder: Path, count: int) -> list[Task]:
    content = pickle.dumps([])
    return [
        Task(pieces=content, plugins=(), events=folder / f"events-{number}")
        for number in range(count)
    ]


def test_the_array_asks_for_what_was_asked_for(tmp_path, programs):
    programs("sbatch", 'cp "$1" "$0.script"; echo Submitted batch job 7')
    request = Request(
        options=(("partition", "gpu"), ("gpus-per-node", "a100:1"), ("time", "2:00:00")),
        setup=("module load cuda",),
        at_once=2,
    )
    jobs = [*submitted(tasks(tmp_path, 3), tmp_path, request)]
    assert [job.job_id for job in jobs] == ["7_0", "7_1", "7_2"]
    assert all(job.paths.submitted_pickle.is_file() for job in jobs)
    lines = (tmp_path / "bin" / "sbatch.script").read_text().splitlines()
    asked = {line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")}
    assert asked >= {"partition=gpu", "gpus-per-node=a100:1", "time=2:00:00", "array=0-2%2"}
    assert asked >= {"no-requeue", "signal=USR2@30", "cpus-per-task=1"}
    assert not any(line.startswith(("wckey", "mem")) for line in asked)
    setup = lines.index("module load cuda")
    assert lines[setup - 2 : setup] == ["export OMP_NUM_THREADS=1", "export MKL_NUM_THREADS=1"]
    assert any(line.startswith("srun") for line in lines[setup:])


def test_what_is_asked_for_replaces_what_we_would_ask_and_stands_once(tmp_path, programs):
    programs("sbatch", 'cp "$1" "$0.script"; echo Submitted batch job 7')

    def asked(*options: tuple[str, str]) -> list[tuple[str, str]]:
        list(submitted(tasks(tmp_path, 2), tmp_path, Request(options=options)))
        script = (tmp_path / "bin" / "sbatch.script").read_text()
        return re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", script, re.MULTILINE)

    ours = [name for name, _ in asked()]
    assert {"job-name", "cpus-per-task", "signal", "no-requeue", "nodes"} <= {*ours}
    more = ["partition", "account", "gpus-per-node", "time", "mem", "mem-per-cpu", "qos"]
    theirs = [(name, "8") for name in sorted({*ours, *more})]
    assert sorted(asked(*theirs)) == theirs


def test_the_partition_limits_the_time_of_which_nothing_is_said(tmp_path, programs):
    programs("sbatch", 'cp "$1" "$0.script"; echo Submitted batch job 7')
    [job] = submitted(tasks(tmp_path, 1), tmp_path, Request())
    assert job.job_id == "7"
    assert "--time" not in (tmp_path / "bin" / "sbatch.script").read_text()


def test_arrays_are_no_longer_than_slurm_takes(tmp_path, programs, monkeypatch):
    monkeypatch.setattr("mergebench.cluster.submission._ARRAY", 2)
    programs("sbatch", 'echo x >> "$0.count"; echo Submitted batch job $(wc -l < "$0.count")')
    jobs = [*submitted(tasks(tmp_path, 5), tmp_path, Request())]
    assert [job.job_id for job in jobs] == ["1_0", "1_1", "2_0", "2_1", "3"]


def test_what_slurm_refuses_is_told_in_its_words(tmp_path, programs):
    programs("sbatch", "echo 'sbatch: error: invalid partition specified: nope' >&2; exit 1")
    with pytest.raises(
        InputError, match=r"^Slurm refused the jobs: invalid partition specified: nope$"
    ):
        list(submitted(tasks(tmp_path, 2), tmp_path, Request()))


def test_jobs_are_found_where_squeue_says(programs):
    programs("squeue", r"printf '7_0|RUNNING|None\n7_1|PENDING|Resources\n8|TIMEOUT|TimeLimit\n'")
    found = queue.places()
    assert found["7_1"] == Place(state="PENDING", reason="Resources")
    assert [name for name, place in found.items() if place.ended] == ["8"]


def test_a_slurm_that_does_not_answer_is_told(programs):
    programs("squeue", "echo 'slurm_load_jobs error: Unable to contact controller' >&2; exit 1")
    with pytest.raises(InputError, match=r"^squeue: slurm_load_jobs error: Unable to contact"):
        queue.places()


def test_jobs_take_pieces_until_they_have_their_cells():
    assert grouped([1] * 5, 2) == [[0, 1], [2, 3], [4]]
    assert grouped([5, 5, 1], 1) == [[0], [1], [2]]
    assert grouped([5, 1, 1], 6) == [[0, 1], [2]]
    assert grouped([], 3) == []
