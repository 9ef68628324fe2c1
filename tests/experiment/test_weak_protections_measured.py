"""Weak protections of real adapters, merged on the embedded suite: what the set says is denied."""

from __future__ import annotations

import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import weak_protections
from repository import ROOT
from rich.console import Console

from mergebench.experiment import SETTINGS
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import measure_merges
from mergebench.experiment.worst_case import measure_worst_case
from mergebench.measure import Choices, Estimate, Level, mixture_of
from mergebench.measure.protocols import PAPER
from mergebench.measure.resampling import Resampling
from mergebench.report.leaderboard import Standing, leaderboard

KEPT = ROOT / "results" / "baselines" / "mini_vit"
TASKS = ("mnist", "textures", "letters")
LEVELS = (
    Level(knowledge="blind", data="none", attacks=("ta@full", "tsv@full")),
    Level(knowledge="informed", data="none", attacks=("hold:ta@full",)),
)
YARDSTICKS = ("leave_out:ta@full", "leave_out:tsv@full")
WEAK = ("permuted", "noisy")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory) -> Experiment:
    """Return one of the adapters that are kept beside the baseline, and of what is made of these.

    Adapters that the weak protections train anew would be these, and their training most of what
    the test costs.
    """
    root = tmp_path_factory.mktemp("weak")
    for task in TASKS:
        for name in ("none", "trap2"):
            shutil.copytree(KEPT / f"{task}-{name}", root / "adapters" / f"{task}-{name}")
        weak_protections.release_weakened(KEPT / f"{task}-none", root / "adapters", task)
    return Experiment(
        backbone="mini_vit",
        # All validation inputs: of the setting's 64 per task one decides between neighbouring
        # coefficients, which here is worth more than what is asked about.
        setting=replace(SETTINGS["mini_vit"], search_per_task=None),
        protocol=replace(PAPER, alphas=tuple(tenth / 10 for tenth in range(1, 11)), patience=2),
        seeds=(0,),
        store=root / "store",
        command="mergebench leaderboard",
        tasks=TASKS,
        attacks=(*YARDSTICKS, *(name for level in LEVELS for name in level.attacks)),
        protections=(*WEAK, "trap2"),
        plugins=(Path(weak_protections.__file__),),
        adapters=root / "adapters",
    )


@pytest.fixture(scope="module")
def standings(experiment) -> list[Standing]:
    """Judge all protections."""
    monitor = Monitor(Console(file=StringIO()))
    measured = measure_worst_case(experiment, LEVELS, YARDSTICKS, monitor, processes=1)
    return [*leaderboard(measured, LEVELS, YARDSTICKS).standings]


@pytest.mark.slow
def test_weak_protections_are_unmasked(standings):
    weak = [one for one in standings if one.protection in WEAK]
    assert len(weak) == 4
    for one in weak:
        for found in (one.gain.denied, one.gain.denied_target):
            print(one.protection, one.level.name, found, one.not_run)
            assert found is not None
            assert found.value <= 0.1
            assert found.interval is not None
            assert found.interval.high < 0.5


@pytest.mark.slow
def test_a_trap_is_not_called_weak(standings):
    (blind, _) = [one for one in standings if one.protection == "trap2"]
    assert blind.gain.denied is not None
    assert blind.gain.denied.value > 0.5


@pytest.mark.slow
def test_a_student_of_an_unprotected_update_merges_as_that_does(experiment):
    """On the target, over three targets: the interval of the difference has 0 in it."""
    attacks = ("ta@full", "distil:ta@full")
    setting = experiment.setting.with_attack_options("distil", inputs_per_task=512)
    plain = replace(experiment, setting=setting, attacks=attacks, protections=())
    measured = measure_merges(plain, Monitor(Console(file=StringIO())), processes=1)
    choices = Choices(measured.merged)
    sample = Resampling(TASKS, measured.merged[0].sizes)
    own, imitated = (
        sample.mean([mixture_of(choices.of("none", name, task, 0)) for task in TASKS], "target")
        for name in attacks
    )
    found = Estimate.of(imitated - own)
    print(Estimate.of(own), Estimate.of(imitated), found)
    assert found.interval is not None
    assert 0 in found.interval
