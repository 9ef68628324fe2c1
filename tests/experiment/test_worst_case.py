"""Theft at bounded cost from training to test counts: chosen on validation, measured once."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from miniature import FEW_IMAGES, LITTLE, PROTOCOL, TASKS
from rich.console import Console

from attacks.task_arithmetic import TaskArithmetic
from mergebench.contracts import Space
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.events import CellDone
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import Merges
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.point_job import PointJob
from mergebench.experiment.worst_case import measure_worst_case
from mergebench.measure import Level, Measurements
from mergebench.measure.evaluate import deployed
from mergebench.merging import MergeProblem
from mergebench.progress import Silent
from mergebench.registry import registry

LEVELS = (
    Level(knowledge="blind", data="none", attacks=("ta@full",)),
    Level(knowledge="informed", data="none", attacks=("hold:ta@full",)),
    Level(knowledge="blind", data="unlabelled", attacks=("regmean@full",)),
)
YARDSTICKS = ("leave_out:ta@full",)


def experiment_in(store: Path) -> Experiment:
    return Experiment(
        backbone="mini_vit",
        setting=LITTLE.with_attack_options("regmean", inputs_per_task=8),
        protocol=PROTOCOL,
        seeds=(0,),
        store=store,
        command="mergebench leaderboard",
        tasks=TASKS,
        attacks=(*YARDSTICKS, *(name for level in LEVELS for name in level.attacks)),
        plugins=(FEW_IMAGES,),
    )


def measure(store: Path) -> Measurements:
    """Return what a new process would measure or recall."""
    experiment_module._workbench.cache_clear()
    monitor = Monitor(Console(file=StringIO()))
    return measure_worst_case(experiment_in(store), LEVELS, YARDSTICKS, monitor, processes=1)


@pytest.fixture(scope="module")
def store(little_store) -> Path:
    return little_store


@pytest.fixture(scope="module")
def first(store) -> Measurements:
    return measure(store)


def test_every_theft_is_tested(first):
    assert len(first.thefts) == 2 * len(LEVELS) * len(TASKS) * 2
    found = [one for one in first.thefts if one.merged is not None]
    assert found
    for theft in found:
        assert theft.merged.protection == theft.protection
        assert theft.merged.correct.keys() == theft.merged.hits.keys() == set(TASKS)


def test_norms_of_updates_are_known(store, first):
    bench = experiment_in(store).workbench()
    norms = {(one.release, one.task): one.norm for one in first.standalone}
    assert norms["zero_shot", "mnist"] is None
    for release in ("none", "trap2"):
        assert norms[release, "mnist"] == bench.release(release, "mnist", 0, Silent()).norm()


def test_who_may_cost_more_steals_no_less_on_validation(first):
    by_bound = {
        (one.protection, one.level, one.target, one.bound): one.merged for one in first.thefts
    }
    for (protection, level, target, bound), merged in by_bound.items():
        wider = by_bound[protection, level, target, 5]
        if bound == 1 and merged is not None:
            assert wider is not None
            assert wider.validated[target] >= merged.validated[target]


def test_a_repeat_measures_nothing(store, first):
    assert measure(store) == first
    assert experiment_in(store).workbench().measured == 0


def test_a_point_that_was_not_chosen_is_merged_and_tested_again(store, first):
    """Against a merge by hand, of a coefficient that the protocol did not choose."""
    experiment_module._workbench.cache_clear()
    experiment = experiment_in(store)
    job = PointJob(
        experiment=experiment,
        attack="ta",
        space="full",
        protection="trap2",
        target="mnist",
        seed=0,
        options={},
        alpha=0.35,
    )
    bench = experiment.workbench()
    updates = [
        bench.release("trap2" if task == "mnist" else "none", task, 0, Silent()) for task in TASKS
    ]
    merged = MergeProblem(updates, space=registry().get(Space, "full")()).merge(TaskArithmetic())
    with deployed(bench.backbone, merged.scaled(0.35)):
        expected, validated = bench.evaluator.correct("test"), bench.validation.correct("val")
    events: list[CellDone] = []
    job.run(events.append)
    assert job.cell().results.correct == expected
    assert bench.measured == 1
    assert "at alpha 0.35" in job.label
    confirming = replace(job, confirm=True)
    confirming.run(events.append)
    assert confirming.label == f"{job.label}, on validation"
    results = confirming.cell().results
    assert ([point.counts for point in results.points], results.correct) == ([validated], {})
    shares = [
        f"{what} accuracy {100 * sum(right.values()) / sum(sizes.values()):.1f}"
        for what, right, sizes in (
            ("test", expected, bench.evaluator.sizes("test")),
            ("validation", validated, bench.validation.sizes("val")),
        )
    ]
    assert [one.outcome for one in events if isinstance(one, CellDone)] == shares


@pytest.mark.parametrize("name", ["regmean@full", "hold:ta@full"])
def test_the_chosen_point_of_a_search_tested_anew_has_its_counts(store, first, name):
    experiment_module._workbench.cache_clear()
    row = next(
        one
        for one in first.merged
        if (one.name, one.protection, one.target) == (name, "trap2", "mnist")
    )
    merges = Merges(experiment_in(store), "trap2", "mnist", 0)
    again = merges.point(row.attack, row.space, row.options, row.alpha).results
    tested = merges.cell(row.attack, row.space).results
    assert (again.correct, again.hits) == (tested.correct, tested.hits)
    assert row.correct in ({}, tested.correct)
