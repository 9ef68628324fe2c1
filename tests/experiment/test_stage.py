"""How the pieces of work of a stage are shared out to processes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from miniature import FEW_IMAGES, LITTLE, PROTOCOL, TASKS
from rich.console import Console

from mergebench.experiment import stage
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import MergeJob
from mergebench.experiment.monitor import Monitor

ATTACKS = ("dare", "dare_ties", "magmax", "ta", "ties")


def merges(store: Path, attacks: tuple[str, ...] = ATTACKS) -> MergeJob:
    """The merges of one set of updates in one space, none of them measured."""
    experiment = Experiment(
        backbone="mini_vit",
        setting=LITTLE,
        protocol=PROTOCOL,
        seeds=(0,),
        store=store,
        command="mergebench table2",
        tasks=TASKS,
        attacks=tuple(f"{attack}@full" for attack in attacks),
        protections=(),
        plugins=(FEW_IMAGES,),
    )
    return MergeJob(
        experiment=experiment,
        space="full",
        attacks=attacks,
        protection="none",
        target=None,
        seed=0,
    )


@pytest.fixture
def shared_out(monkeypatch):
    """Return how jobs that are missing are shared out, without anything being run."""

    def of(jobs: list[MergeJob], processes: int) -> list[tuple[str, ...]]:
        seen = []

        def nothing_is_run(attempts, *, processes, on_event):
            seen.extend(attempt.job.attacks for attempt in attempts)
            return iter(())

        monkeypatch.setattr(stage, "execute", nothing_is_run)
        monkeypatch.setattr(stage, "_recalled", lambda job, show: False)
        monitor = Monitor(Console(file=io.StringIO()))
        stage.run_jobs(jobs, monitor, "merges", processes=processes)
        return seen

    return of


def test_one_process_makes_what_attacks_share_once(shared_out, tmp_path):
    assert shared_out([merges(tmp_path)], 1) == [ATTACKS]


def test_few_jobs_are_halved_until_there_are_two_for_every_process(shared_out, tmp_path):
    parts = shared_out([merges(tmp_path)], 2)
    assert sorted(len(part) for part in parts) == [1, 1, 1, 2]
    assert sorted(attack for part in parts for attack in part) == list(ATTACKS)


def test_single_attacks_stay_whole(shared_out, tmp_path):
    parts = shared_out([merges(tmp_path)], 8)
    assert sorted(parts) == [(attack,) for attack in ATTACKS]


def test_as_many_jobs_as_two_per_process_stay_whole(shared_out, tmp_path):
    jobs = [merges(tmp_path)] * 4
    assert shared_out(jobs, 2) == [ATTACKS] * 4
