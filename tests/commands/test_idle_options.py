"""Options that change no number are named, and no others."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from mergebench.commands.runs.file_names import stem
from mergebench.commands.runs.idle_options import idle_options, starting_options
from mergebench.experiment import Experiment, get_setting
from mergebench.measure import get_protocol

EXPERIMENT = Experiment(
    backbone="mini_vit",
    setting=get_setting("mini_vit"),
    protocol=get_protocol("paper"),
    seeds=(0,),
    store=Path(),
    command="",
    attacks=("ta@full", "hold:ties@full", "finetune@full"),
)


def given(experiment: Experiment, **options: object) -> Namespace:
    usual = {"settings": [], "protocol": experiment.protocol.name}
    return Namespace(**{**usual, **options})


def idle(experiment: Experiment, settings: list[str]) -> list[str]:
    return [*idle_options(experiment, given(experiment, settings=settings))]


@pytest.mark.parametrize(
    "setting", ["trap2.strength=0.1", "hold.nominal=1", "ties.top_k=20", "finetune.tasks=all"]
)
def test_what_is_used_is_not_named(setting: str) -> None:
    assert idle(EXPERIMENT, [setting]) == []


@pytest.mark.parametrize("setting", ["tsv.rank_mode=reference", "trap2_capped.strength=0.1"])
def test_a_plugin_that_is_not_used(setting: str) -> None:
    (line,) = idle(EXPERIMENT, ["trap2.strength=0.1", setting])
    assert line.startswith(f"--set {setting}: {setting.partition('.')[0]} is not used here")


def test_options_that_names_of_protections_state() -> None:
    forms = ("mergelock[kappa=2]", "mergelock[kappa=10]")
    (line,) = idle(replace(EXPERIMENT, protections=forms), ["mergelock.kappa=5"])
    assert line.startswith("--set mergelock.kappa=5: --protections states kappa itself, so that")
    assert idle(replace(EXPERIMENT, protections=(*forms, "mergelock")), ["mergelock.kappa=5"]) == []


def test_what_a_merge_starts_from_is_used() -> None:
    alone = replace(EXPERIMENT, attacks=("finetune@full",))
    assert idle(alone, ["ta.x=1"]) == []
    setting = alone.setting.with_attack_options("finetune", start_from="tsv@core")
    changed = replace(alone, setting=setting)
    assert idle(changed, ["tsv.rank_mode=reference"]) == []
    assert len(idle(changed, ["ta.x=1"])) == 1


def test_a_joint_search_tries_its_own_values() -> None:
    clean = replace(EXPERIMENT, protocol=get_protocol("clean"))
    (line,) = idle(clean, ["ties.top_k=20", "ties.inclusive=false"])
    assert line.startswith("--set ties.top_k=20: protocol clean tries its own values of top_k")


def test_a_search_in_coordinates_says_that_it_only_begins_at_what_is_set() -> None:
    settings = ["ties.top_k=25", "ties.inclusive=false", "hold.nominal=1.2", "tsv.top_k=1"]
    told = [*starting_options(EXPERIMENT, given(EXPERIMENT, settings=settings))]
    assert told == [
        "--set ties.top_k=25: protocol paper only begins there, and chooses top_k among "
        "100, 90, 80, 70, 60, 50, 40, 30, 20, 10",
        "--set hold.nominal=1.2: protocol paper only begins there, and chooses nominal among "
        "0.9, 1, 1.1",
    ]
    clean = replace(EXPERIMENT, protocol=get_protocol("clean"))
    assert [*starting_options(clean, given(clean, settings=settings))] == []
    alone = replace(EXPERIMENT, attacks=())
    assert [*starting_options(alone, given(alone, settings=settings))] == []


def named(experiment: Experiment, **options: object) -> str:
    parts = {"default_attacks": ("ta@full",), "train_precision": None, "partial": False}
    parts |= {"drop_leaks": False} | options
    return stem("table1", given(experiment, **parts), experiment)


def test_where_nothing_is_merged_search_and_attacks_are_idle() -> None:
    clean = replace(EXPERIMENT, protocol=get_protocol("clean"), protections=("trap2",))
    alone = replace(clean, attacks=())
    lines = [*idle_options(alone, given(alone, settings=["ties.top_k=20"]))]
    assert lines == [
        "--protocol clean: nothing is searched here, so that this changes no number",
        "--set ties.top_k=20: ties is not used here, so that this changes no number",
    ]
    assert named(alone, default_attacks=()) == "table1"
    assert [*idle_options(clean, given(clean))] == []
    assert named(clean).startswith("table1_clean_attacks-ta-hold-ties-finetune")


def test_defects_of_a_protocol_are_in_single_updates_too() -> None:
    exact = replace(EXPERIMENT, protocol=get_protocol("paper-exact"), attacks=())
    assert [*idle_options(exact, given(exact))] == []
    assert named(exact, default_attacks=()) == "table1_paper-exact"
