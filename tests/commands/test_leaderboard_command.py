"""The leaderboard from scratch, on few images, few points and few attacks."""

from __future__ import annotations

import csv

import pytest
from command_line import run
from few_leaderboard import small_leaderboard
from miniature import FEW_IMAGES


@pytest.fixture
def few(tmp_path, monkeypatch, little_store) -> list[object]:
    return small_leaderboard(monkeypatch, tmp_path, little_store)


def test_leaderboard(few, tmp_path, capsys):
    assert run("leaderboard", *few) == 0
    stem = "leaderboard_tasks-mnist-fashion"
    folder = tmp_path / "results" / "mini_vit"
    with (folder / f"{stem}.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["protection"], row["knowledge"]) for row in rows] == [
        *(("unprotected", "blind"), ("trap2", "blind")),
        *(("unprotected", "informed"), ("trap2", "informed")),
    ]
    first = (folder / f"{stem}.md").read_bytes()
    assert "Leaderboard" in capsys.readouterr().out
    assert run("leaderboard", *few) == 0
    assert (folder / f"{stem}.md").read_bytes() == first
    shown = capsys.readouterr().out
    assert "merges: 0 measured" in shown
    assert "points: 0 measured" in shown or "points" not in shown


def test_its_choices_are_measured_again_by_verify(few, tmp_path, little_store, capsys):
    assert run("leaderboard", *few) == 0
    folder = tmp_path / "results" / "mini_vit"
    given = ["--plugin", FEW_IMAGES, "--store", little_store]
    words = ["verify", folder, "--cells", 100, *given]
    assert run(*words) == 0
    shown = capsys.readouterr().out
    assert ", 0 not; cells beyond the tolerance: 0." in shown
    assert "not verified" not in shown
    file = folder / "leaderboard_tasks-mnist-fashion_targets.csv"
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 2 * 2 * 2
    for row in rows:
        assert int(row["mnist_correct"]) + int(row["fashion_correct"]) == int(row["correct_all"])
        assert int(row["correct"]) == int(row[f"{row['target']}_correct"])
        assert row["protection"] != "unprotected" or row["correct_unprotected"] == row["correct"]


def test_one_task_is_no_mixture(few, capsys):
    alone = ["mnist" if word == "mnist fashion" else word for word in few]
    assert run("leaderboard", *alone) == 2
    assert "a leaderboard needs two tasks" in capsys.readouterr().err


def test_attacks_with_data_are_for_adapters(few, capsys):
    assert run("leaderboard", *few, "--release", "full", "--levels", "labelled") == 2
    assert "attacks with data are for adapters" in capsys.readouterr().err
