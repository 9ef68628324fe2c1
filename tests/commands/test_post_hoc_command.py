"""Protections of full checkpoints among LoRA releases, through the command, on few images."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import measure_few_images, run
from few_leaderboard import small_leaderboard
from miniature import LITTLE, PROTOCOL

from mergebench.commands import tables
from mergebench.commands.runs import experiments

DEFAULT = ("ta@full", "tsv@core")
LOCKED = "mergelock[kappa=2]"


def rows(file: Path) -> list[dict[str, str]]:
    with file.open() as lines:
        return list(csv.DictReader(lines))


def test_a_column_that_needs_factors_is_a_dash(tmp_path, monkeypatch, little_store) -> None:
    monkeypatch.setitem(tables.MERGES, 2, {"release": "lora", "default_attacks": DEFAULT})
    few = measure_few_images(monkeypatch, tmp_path, store=little_store, setting=LITTLE)
    assert run("table2", *few, "--protections", LOCKED) == 0
    stem = "table2_tasks-mnist-fashion_protections-mergelock-kappa-2"
    folder = tmp_path / "results" / "mini_vit"
    text = (folder / f"{stem}.md").read_text()
    (line,) = [one for one in text.splitlines() if one.startswith("| MergeLock (kappa 2) |")][:1]
    assert line.endswith(" | – |")
    assert "Not defined for mergelock\\[kappa=2\\], which releases a full checkpoint" in text
    assert "need: tsv@core." in text
    found = {(one["protection"], one["attack"]) for one in rows(folder / f"{stem}.csv")}
    assert found == {
        *(("unprotected", "ta"), ("unprotected", "tsv"), (LOCKED, "ta")),
    }


@pytest.mark.parametrize("attack", ["tsv@core", "distil:ta@full", "hold:peft_svd@full"])
def test_one_that_was_named_is_refused_before_anything_runs(
    attack: str, tmp_path, monkeypatch, capsys
) -> None:
    few = measure_few_images(monkeypatch, tmp_path)
    assert run("table2", *few, "--protections", "trap2 params", "--attacks", f"ta {attack}") == 2
    assert f"--attacks: {attack} needs low-rank factors, and params releases full" in (
        capsys.readouterr().err
    )
    assert not [*(tmp_path / "runs").glob("releases/*")]


@pytest.mark.parametrize(
    ("protection", "message"),
    [
        ("params", "protection params: mini_convnext has no attention .* params.attention=none"),
        ("mergelock", "protection mergelock: mini_convnext has no attention"),
    ],
)
def test_a_tower_that_it_cannot_act_on_is_refused_before_anything_runs(
    protection: str, message: str, tmp_path, monkeypatch, capsys
) -> None:
    few = measure_few_images(monkeypatch, tmp_path)
    assert run("table3", *few, "--backbone", "mini_convnext", "--protections", protection) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not [*(tmp_path / "runs").glob("releases/*")]


def test_on_the_leaderboard_it_is_re_aligned(tmp_path, monkeypatch, little_store) -> None:
    few = small_leaderboard(monkeypatch, tmp_path, little_store)
    # At 1, which LITTLE updates want, sums leave what was rearranged as it is.
    protocol = replace(PROTOCOL, alphas=(0.2,))
    monkeypatch.setattr(experiments, "get_protocol", lambda name: protocol)
    assert run("leaderboard", *few, "--protections", LOCKED) == 0
    stem = "leaderboard_tasks-mnist-fashion_protections-mergelock-kappa-2"
    found = rows(tmp_path / "results" / "mini_vit" / f"{stem}.csv")
    blind, informed = (one for one in found if one["protection"] == LOCKED)
    plain = next(one for one in found if one["protection"] == "unprotected")
    assert (blind["attacks"], informed["not_run"]) == ("ta@full:2", "")
    assert float(blind["all"]) < float(informed["all"])
    for one in (blind, informed):  # whatever is taken: no rule protects what can be put back
        assert "undone by re-alignment (2)" in one["flags"]
    assert "undone" not in plain["flags"]
    assert (informed["alone"], informed["alone_cost"]) == (plain["alone"], "0.00")


def test_attackers_with_data_and_prices_are_of_adapters(tmp_path, monkeypatch, capsys) -> None:
    few = measure_few_images(monkeypatch, tmp_path)
    words = ["--protections", LOCKED]
    assert run("leaderboard", *few, *words, "--levels", "labelled") == 2
    assert f"are for adapters; leave it out with {LOCKED}" in capsys.readouterr().err
    assert run("price", *few, *words) == 2
    assert f"is of adapters, and {LOCKED} releases none" in capsys.readouterr().err
