"""Audits on a backbone: with releases of its suite as peers, and with data of a user's own."""

from __future__ import annotations

import json

import pytest
from command_line import measure_few_images, random_adapter, run, tower_shapes
from miniature import LITTLE
from own_data import write_pictures

from mergebench.auditing import backbone_bench, running, search

ON = ["--backbone", "mini_vit"]


@pytest.fixture(autouse=True)
def _few_images(monkeypatch, tmp_path):
    monkeypatch.setattr(backbone_bench, "get_setting", lambda name: LITTLE)
    monkeypatch.setattr(running, "BLIND", ("ta@full",))
    monkeypatch.setattr(running, "INFORMED", ("hold:ta@full",))
    monkeypatch.setattr(running, "SCALES", (0.0, 0.5, 1.0))
    monkeypatch.setattr(search, "ALPHAS", (0.0, 0.3, 1.0))
    monkeypatch.setenv("MERGEBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    return random_adapter(tmp_path_factory.mktemp("adapter"), tower_shapes()["mini_vit"], 0)


def audited(folder, *words) -> dict:
    file = folder / "audit.json"
    assert run("audit", *words, *ON, "--json", file) == 0
    (found,) = json.loads(file.read_text())["audits"]
    return found


def test_releases_of_the_suite_are_peers_whose_accuracy_is_known(tmp_path, monkeypatch, capsys):
    few = measure_few_images(monkeypatch, tmp_path)
    assert run("table1", *few, "--protections", "none") == 0
    (trained,) = (tmp_path / "runs" / "releases").glob("mnist-none-*")
    capsys.readouterr()
    words = [trained, "--target", "mnist", "--store", tmp_path / "runs"]
    found = audited(tmp_path, *words)
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith("Merged with one peer of the suite, ")
    assert "on the other tasks" in shown
    assert [(one["kind"], one["task"]) for one in found["peers"]] == [("suite", "fashion")]
    assert found["tasks"] == ["mnist", "fashion"]
    for row in (found["base"], found["alone"], *(one["accuracy"] for one in found["merges"])):
        assert {task: one["size"] for task, one in row.items()} == {"mnist": 24, "fashion": 24}
    assert found["informed"]["overall"] is not None
    assert "best for the mean accuracy over all tasks" in " ".join(found["notes"])
    assert run("audit", *words, *ON, "--require", "overall<=100", "--seed", 1) == 1  # no such seed
    shown = capsys.readouterr()
    assert "synthetic peers" in " ".join(shown.out.split())
    assert "has no unprotected updates of other tasks of few with seed 1; name" in shown.err


def test_a_store_without_releases_is_refused_if_it_is_named(tmp_path, adapter, capsys):
    words = ["audit", adapter, *ON, "--target", "mnist", "--store"]
    for store in (tmp_path / "typo", tmp_path):
        assert run(*words, store) == 2
        error = capsys.readouterr().err
        assert f"--store {store}: has no releases; give one that `mergebench table1`" in error
        assert error.count("\n") == 1


def test_releases_of_another_recipe_are_left_out_aloud(tmp_path, adapter, capsys):
    (tmp_path / "runs" / "releases" / "fashion-none-0-0123456789abcdef").mkdir(parents=True)
    capsys.readouterr()
    found = audited(tmp_path, adapter, "--target", "mnist", "--store", tmp_path / "runs")
    assert "has updates of fashion, but not of these weights" in capsys.readouterr().err
    assert {one["kind"] for one in found["peers"]} == {"synthetic"}


def test_data_of_a_user(tmp_path, adapter, capsys):
    shapes = write_pictures(tmp_path / "shapes", {"circle": 8, "square": 8})
    found = audited(tmp_path, adapter, "--data", shapes, "--synthetic", 1)
    assert (found["tasks"], found["model"]) == (["shapes"], "mini_vit")
    assert found["base"]["shapes"]["size"] == 2
    assert len(found["merges"]) == 6
    shown = capsys.readouterr()
    assert "images are used" in shown.err
    assert "Synthetic peers have the adapter's sites" in " ".join(shown.out.split())


def test_it_agrees_with_evaluate(tmp_path, adapter, capsys):
    shapes = write_pictures(tmp_path / "shapes", {"circle": 16, "square": 16})
    found = audited(tmp_path, adapter, "--data", shapes, "--synthetic", 0)
    for scale in (1, 0.5):
        capsys.readouterr()
        assert run("evaluate", adapter, *ON, "--data", shapes, "--scale", scale, "--json") == 0
        evaluated = json.loads(capsys.readouterr().out)
        assert evaluated["weights"] is None
        stated = evaluated["tasks"]["shapes"]["update"]["correct"]
        (point,) = [one for one in found["curve"] if one["scale"] == scale]
        assert point["accuracy"]["correct"] == stated


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target", "mnits"], "did you mean mnist"),
        (["--data", "nowhere"], "--data nowhere: there is no such folder or file"),
        (["--target", "mnist", "--device", "gpu"], "--device gpu: expected"),
        (["--target", "mnist", "--with", "nowhere"], "nowhere: no such adapter folder"),
    ],
)
def test_wrong_words(adapter, capsys, words, message):
    assert run("audit", adapter, *ON, *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_peers_of_another_backbone(tmp_path, adapter, capsys):
    other = random_adapter(tmp_path / "other", tower_shapes()["mini_convnext"], 1)
    assert run("audit", adapter, *ON, "--target", "mnist", "--with", other) == 2
    error = capsys.readouterr().err
    assert str(other) in error
    assert error.count("\n") == 1
