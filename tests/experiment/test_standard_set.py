"""The standard set: who is compared with whom, in which order, and what is measured once."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any, get_args

import pytest
from miniature import FEW_IMAGES, LITTLE, PROTOCOL, TASKS
from rich.console import Console

from mergebench.contracts import DataUse
from mergebench.experiment import WORST_CASE, check_attack, get_setting, levels, yardsticks
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import measure_pairs
from mergebench.experiment.standard_set import rounds
from mergebench.measure import FINALISTS, THEFT_FINALISTS, sha256_of
from mergebench.train import ReleaseKind

RELEASES: tuple[ReleaseKind, ...] = get_args(ReleaseKind)


@pytest.mark.parametrize("release", RELEASES)
def test_every_blind_attack_is_also_run_without_the_update(release) -> None:
    """Who leaves the update out has the rules and spaces that who takes it has."""
    blind = levels(release)[0].attacks
    *left_out, careful = yardsticks(release)
    assert left_out == [f"leave_out:{name}" for name in blind]
    assert careful == "leave_out_per_task:ta@full"
    assert len(blind) == {"lora": 13, "full": 5}[release] + 2


@pytest.mark.parametrize("release", RELEASES)
def test_every_attack_is_there_and_where_its_level_is(release) -> None:
    setting = get_setting("mini_vit")
    every = levels(release, data=get_args(DataUse) if release == "lora" else ("none",))
    names = [name for level in every for name in level.attacks]
    assert len(set(names)) == len(names)
    for name in (*names, *yardsticks(release)):
        assert "@".join(check_attack(name, release)) == name
    for level in every:
        for name in level.attacks:
            attack = setting.attack(check_attack(name)[0])
            assert (attack.knowledge, attack.data) == (level.knowledge, level.data)


def test_no_attack_is_split_but_the_one_that_costs_more_in_another_space() -> None:
    """A round is one attack with its rules; `hold` on CART comes later than on sums."""
    informed = levels("lora")[1]
    firsts = [names[0].partition(":")[0] for names in rounds(informed)]
    assert [name for name in firsts if firsts.count(name) > 1] == ["hold", "hold"]
    assert rounds(informed)[0] == ("hold:ta@full", "hold:tsv@full")
    assert rounds(informed)[-1] == ("per_task_coefficients:ta@full",)


def test_a_set_that_changes_has_another_version() -> None:
    """The digest of what a version is made of; with another one goes a higher version."""
    kinds = get_args(DataUse)
    parts: list[Any] = [FINALISTS, THEFT_FINALISTS]
    for release, checkpoints in (("lora", False), ("lora", True), ("full", False)):
        chosen = levels(release, data=kinds, checkpoints=checkpoints)
        attacks = [(one.knowledge, one.data, one.attacks) for one in chosen]
        parts.append([*attacks, yardsticks(release)])
    assert (WORST_CASE, sha256_of(parts)[:16]) == (6, "84f2a86d8c8d9260")


def experiment_in(store: Path, *protections: str, **changes: Any) -> Experiment:
    return Experiment(
        backbone="mini_vit",
        setting=LITTLE,
        protocol=PROTOCOL,
        seeds=(0,),
        store=store,
        command="mergebench leaderboard",
        tasks=TASKS,
        attacks=("leave_out:ta@full", "leave_out:cart@core", "leave_out:ram@full"),
        protections=protections,
        plugins=(FEW_IMAGES,),
        **changes,
    )


def test_merges_without_the_update_are_measured_once_for_all_protections(little_store) -> None:
    """No protection is even trained for them; a search of RAM has its four points and no more."""
    found = []
    for protections in ((), ("trap2",), ("trap2", "trap2_capped")):
        experiment_module._workbench.cache_clear()
        experiment = experiment_in(little_store, *protections)
        pairs = measure_pairs(experiment, Monitor(Console(file=StringIO())), processes=1)
        found.append([(row.name, row.protection, row.target, cell.key) for row, cell in pairs])
        if protections:
            assert experiment.workbench().measured == 0
    assert found[0] == found[1] == found[2]
    assert [one[:3] for one in found[0]] == [
        (name, "none", target) for name in experiment.attacks for target in TASKS
    ]
    assert {cell.results.alpha for row, cell in pairs if row.attack == "leave_out:ram"} == {1.0}
