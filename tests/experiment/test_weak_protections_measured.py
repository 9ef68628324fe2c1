"""Weak protections of real adapters, merged on the embedded suite: what the set says is denied."""

from __future__ import annotations

import shutil
from io import StringIO
from pathlib import Path

import pytest
import weak_protections
from repository import ROOT
from rich.console import Console

from mergebench.experiment import SETTINGS, YARDSTICKS
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.worst_case import measure_worst_case
from mergebench.measure import PROTOCOLS, Level
from mergebench.report.leaderboard import Standing, leaderboard

KEPT = ROOT / "results" / "baselines" / "mini_vit"
TASKS = ("mnist", "textures", "letters")
LEVELS = (
    Level(knowledge="blind", data="none", attacks=("ta@full", "tsv@full")),
    Level(knowledge="informed", data="none", attacks=("hold:ta@full",)),
)
WEAK = ("permuted", "noisy")


@pytest.fixture(scope="module")
def standings(tmp_path_factory) -> list[Standing]:
    """Measure the adapters that are kept beside the baseline, and what is made of the plain ones.

    Adapters that the weak protections train anew would be these, and their training most of what
    the test costs.
    """
    root = tmp_path_factory.mktemp("weak")
    for task in TASKS:
        for name in ("none", "trap2"):
            shutil.copytree(KEPT / f"{task}-{name}", root / "adapters" / f"{task}-{name}")
        weak_protections.release_weakened(KEPT / f"{task}-none", root / "adapters", task)
    experiment = Experiment(
        backbone="mini_vit",
        setting=SETTINGS["mini_vit"],
        protocol=PROTOCOLS["paper"],
        seeds=(0,),
        store=root / "store",
        command="mergebench leaderboard",
        tasks=TASKS,
        attacks=(*YARDSTICKS, *(name for level in LEVELS for name in level.attacks)),
        protections=(*WEAK, "trap2"),
        plugins=(Path(weak_protections.__file__),),
        adapters=root / "adapters",
    )
    monitor = Monitor(Console(file=StringIO()))
    measured = measure_worst_case(experiment, LEVELS, YARDSTICKS, monitor, processes=1)
    return [*leaderboard(measured, LEVELS, YARDSTICKS).standings]


@pytest.mark.slow
def test_weak_protections_are_unmasked(standings):
    weak = [one for one in standings if one.protection in WEAK]
    assert len(weak) == 4
    for one in weak:
        for found in (one.gain.denied, one.gain.denied_target):
            assert found is not None
            assert found.value <= 0.1
            assert found.interval is not None
            assert found.interval.high < 0.5


@pytest.mark.slow
def test_a_trap_is_not_called_weak(standings):
    (blind, _) = [one for one in standings if one.protection == "trap2"]
    assert blind.gain.denied is not None
    assert blind.gain.denied.value > 0.5
