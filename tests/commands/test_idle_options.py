"""Options that change no number are named, and no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mergebench.commands.runs.idle_options import idle_options
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


@pytest.mark.parametrize(
    "setting", ["trap2.strength=0.1", "hold.nominal=1", "ties.top_k=20", "finetune.tasks=all"]
)
def test_what_is_used_is_not_named(setting: str) -> None:
    assert [*idle_options(EXPERIMENT, [setting])] == []


@pytest.mark.parametrize("setting", ["tsv.rank_mode=reference", "trap2_capped.strength=0.1"])
def test_a_plugin_that_is_not_used(setting: str) -> None:
    (line,) = idle_options(EXPERIMENT, ["trap2.strength=0.1", setting])
    assert line.startswith(f"--set {setting}: {setting.partition('.')[0]} is not used here")


def test_what_a_merge_starts_from_is_used() -> None:
    alone = replace(EXPERIMENT, attacks=("finetune@full",))
    assert [*idle_options(alone, ["ta.x=1"])] == []
    setting = alone.setting.with_attack_options("finetune", start_from="tsv@core")
    changed = replace(alone, setting=setting)
    assert [*idle_options(changed, ["tsv.rank_mode=reference"])] == []
    assert len([*idle_options(changed, ["ta.x=1"])]) == 1


def test_a_joint_search_tries_its_own_values() -> None:
    clean = replace(EXPERIMENT, protocol=get_protocol("clean"))
    (line,) = idle_options(clean, ["ties.top_k=20", "ties.inclusive=false"])
    assert line.startswith("--set ties.top_k=20: protocol clean tries its own values of top_k")
