"""Tables 3 and 4 on a miniature: from training every weight to files, recalled exactly."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from miniature import FEW_IMAGES, PROTOCOL, SETTING
from safetensors.torch import load_file

from mergebench import cli
from mergebench.backbones import load_backbone
from mergebench.commands.runs import experiments
from mergebench.experiment import experiment
from mergebench.registry import registry
from mergebench.train import FullRecipe

FULL = replace(
    SETTING,
    recipe=FullRecipe(
        learning_rate=3e-4,
        steps=2,
        batch_size=8,
        warmup_steps=1,
        evaluate_every=2,
        probe_inputs=8,
        precision="fp32",
    ),
    protections={"trap2": {"strength": 0.05, "until": 0.5}},
)
ATTACKS = "ta weighted_sum"
TABLE3 = "table3_tasks-mnist-fashion"
TABLE4 = "table4_tasks-mnist-fashion_attacks-ta-weighted_sum"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("full")


@pytest.fixture(autouse=True)
def _miniature(monkeypatch: pytest.MonkeyPatch) -> object:
    """Let the commands measure on few images, and forget the plug-in file afterwards."""
    monkeypatch.setattr(experiments, "get_full_setting", lambda name: FULL)
    monkeypatch.setattr(experiments, "get_setting", lambda name: SETTING)
    monkeypatch.setattr(experiments, "get_protocol", lambda name: PROTOCOL)
    registry.cache_clear()
    yield
    experiment._workbench.cache_clear()
    registry.cache_clear()


def run(folder: Path, *words: str) -> int:
    folders = ["--store", str(folder / "runs"), "--results", str(folder / "results")]
    return cli.main([*words, "--plugin", str(FEW_IMAGES), "--tasks", "mnist fashion", *folders])


@pytest.fixture(scope="module")
def written(folder: Path) -> dict[str, str]:
    """The files of the one cold run that the tests of this file share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments, "get_full_setting", lambda name: FULL)
        patch.setattr(experiments, "get_protocol", lambda name: PROTOCOL)
        assert run(folder, "table3") == 0
        assert run(folder, "table4", "--attacks", ATTACKS) == 0
    return texts(folder)


def texts(folder: Path) -> dict[str, str]:
    files = (folder / "results/mini_vit").iterdir()
    return {file.name: file.read_text() for file in files}


def rows(text: str) -> list[dict[str, str]]:
    return [*csv.DictReader(text.splitlines())]


def test_files_say_what_they_are_of(written: dict[str, str]) -> None:
    assert written.keys() == {
        *(f"{TABLE3}.{kind}" for kind in ("md", "csv", "tex")),
        *(f"{TABLE4}.{kind}" for kind in ("md", "csv", "tex")),
        *(f"{TABLE3}_tasks.csv", f"{TABLE4}_targets.csv"),
    }
    assert written[f"{TABLE3}.md"].startswith(
        "# Table 3: standalone test accuracy in percent, full fine-tuning\n"
    )
    assert written[f"{TABLE4}.md"].startswith(
        "# Table 4: accuracy on the target after merging, full fine-tuning, protocol `paper`\n"
    )
    assert rf"\label{{tab:mini_vit-{TABLE4}}}" in written[f"{TABLE4}.tex"]
    assert "KnOTS" not in written[f"{TABLE4}.tex"], "there is one space only"
    for name in (f"{TABLE3}.csv", f"{TABLE3}_tasks.csv", f"{TABLE4}.csv", f"{TABLE4}_targets.csv"):
        assert {row["release"] for row in rows(written[name])} == {"full"}
    columns = [(row["attack"], row["protection"]) for row in rows(written[f"{TABLE4}.csv"])]
    assert sorted(columns) == sorted(
        (attack, name) for attack in ATTACKS.split() for name in ("unprotected", "trap2")
    )


def test_the_caption_has_recipe_and_costs(written: dict[str, str]) -> None:
    caption = written[f"{TABLE3}.md"]
    assert (
        "Updates: every weight of the vision tower but its projection, learning rate 0.0003, "
        "2 steps of 8 images." in caption
    )
    (costs,) = [line for line in caption.splitlines() if line.startswith("- Note: Training, ")]
    plain, trapped = costs.split("; ")
    assert "plain " in plain
    assert "second pass" not in plain
    assert " ms per step (" in trapped
    assert "with the second pass" in trapped
    assert plain.count("GiB") == trapped.count("GiB") == 1


def test_a_second_run_measures_nothing(
    folder: Path, written: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "table4", "--attacks", ATTACKS, "--jobs", "2") == 0
    shown = capsys.readouterr().out
    assert "updates: 0 measured, 4 recalled" in shown
    assert "merges: 0 measured, 6 recalled" in shown
    assert texts(folder) == written


def test_releases_hold_every_weight_s_change(folder: Path, written: dict[str, str]) -> None:
    tensors = load_backbone("mini_vit").tensors
    found = sorted((folder / "runs/releases").iterdir())
    assert [one.name.rsplit("-", 2)[0] for one in found] == [
        f"{task}-{protection}-full"
        for task in ("fashion", "mnist")
        for protection in ("none", "trap2")
    ]
    for one in found:
        stored = load_file(one / "update.safetensors")
        assert {name: tensor.shape for name, tensor in stored.items()} == {
            name: tensor.shape for name, tensor in tensors.items()
        }
        record = json.loads((one / "record.json").read_text())
        assert record["sites"] == [*tensors]
        assert "rank" not in record["recipe"]
        assert record["step_seconds"]["mean"] > 0


def test_replaying_the_protocols_own_rule_gives_table4(
    folder: Path, written: dict[str, str]
) -> None:
    words = ("replay", "--table", "4", "--rule", "paper", "--attacks", ATTACKS)
    assert run(folder, *words) == 0
    replayed = rows(texts(folder)[f"{TABLE4}_rule_paper.csv"])
    for mine, theirs in zip(replayed, rows(written[f"{TABLE4}.csv"]), strict=True):
        assert (mine["protection"], mine["attack"]) == (theirs["protection"], theirs["attack"])
        assert mine["accuracy"] == theirs["accuracy"]
    for file in (folder / "results/mini_vit").glob(f"{TABLE4}_rule_*"):
        file.unlink()


def test_mergers_of_full_releases_are_ranked_with_each_protection(
    folder: Path, written: dict[str, str]
) -> None:
    """Trap², whose cells are those of table 4, and a rearranged checkpoint of the plain updates."""
    words = ("mergers", "--release", "full", "--attacks", ATTACKS)
    assert run(folder, *words, "--protections", "none trap2 params") == 0
    made = {}
    for path in (folder / "results/mini_vit").glob("mergers_full_*"):
        made[path.suffix if not path.stem.endswith("_targets") else "targets"] = path.read_text()
        path.unlink()
    assert made[".md"].startswith("# Mergers, full fine-tuning\n")
    assert r"\label{tab:mini_vit-mergers_full_tasks-mnist" in made[".tex"]
    ranked = rows(made[".csv"])
    accuracies = {
        (row["protection"], row["attack"]): row["accuracy"]
        for row in rows(written[f"{TABLE4}.csv"])
    }
    for protection in ("trap2", "params"):
        by_target = {row[f"{protection}_target"]: row[f"{protection}_rank"] for row in ranked}
        best_first = sorted(by_target, key=float, reverse=True)
        assert [by_target[one] for one in best_first] == ["1", "2"][: len(by_target)]
        assert all(row[f"{protection}_target_low_95"] for row in ranked), "an interval over tasks"
    counted = [row for row in rows(made["targets"]) if row["protection"] != "params"]
    assert counted == rows(written[f"{TABLE4}_targets.csv"])
    for row in ranked:
        assert row["release"] == "full"
        assert row["trap2_target"] == accuracies["trap2", row["attack"]]


def test_what_was_not_measured_is_told_with_its_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "replay", "--rule", "target", "--table", "4", "--attacks", "ta") == 2
    error = capsys.readouterr().err
    assert "run `mergebench table4 --attacks ta --plugin" in error
    assert "--rule" not in error


def test_a_space_of_factors_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "table4", "--attacks", "ties@core") == 2
    error = capsys.readouterr().err
    assert "space core needs low-rank factors, which full fine-tuning does not release" in error
    assert "use ties@full" in error


def test_full_releases_are_merged_by_the_command(
    tmp_path: Path, folder: Path, written: dict[str, str]
) -> None:
    given = sorted((folder / "runs/releases").glob("*-none-full-0-*"))
    out = tmp_path / "merged.safetensors"
    words = ["merge", "--backbone", "mini_vit", "--attack", "ta", "--alpha", "0.5", "--out"]
    assert cli.main([*words, str(out), *map(str, given)]) == 0
    first, second = (load_file(one / "update.safetensors") for one in given)
    merged = load_file(out)
    assert merged.keys() == first.keys()
    for name, tensor in merged.items():
        assert torch.equal(tensor, 0.5 * (first[name] + second[name]))
    again = tmp_path / "again.safetensors"
    assert cli.main([*words, str(again), str(out), str(given[0])]) == 0, "a merge is an update too"
