"""Detection from scratch, on few images, and of adapters of anybody."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from command_line import measure_few_images, random_adapter, run

from mergebench.backbones import site_shapes
from mergebench.commands.runs import detecting as runs
from mergebench.commands.runs import experiments
from mergebench.errors import InputError
from mergebench.experiment import detecting
from mergebench.measure import SCALES, get_protocol
from mergebench.report.results_page import results_page


@pytest.fixture
def few(tmp_path, monkeypatch, little_store) -> list[object]:
    return measure_few_images(monkeypatch, tmp_path, store=little_store)


@pytest.fixture
def adapter(tmp_path) -> str:
    return str(random_adapter(tmp_path / "adapter", site_shapes("mini_vit"), 0))


def test_releases_of_the_suite(few, capsys):
    assert run("detect", *few) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name in ("mnist fine-tuned", "fashion Trap²"):
        assert name in shown
    assert "Trap² (2) against unprotected (2): area under the ROC" in shown
    assert "a threshold chosen on these very updates" in shown
    assert run("detect", *few, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["protection"], one["task"]) for one in told["updates"]] == [
        *(("none", "mnist"), ("none", "fashion"), ("trap2", "mnist"), ("trap2", "fashion")),
    ]
    assert told["scales"] == list(SCALES)
    ((protection, area),) = [(one["protection"], one["area"]) for one in told["roc"]]
    scores = [one["score"] for one in told["updates"]]
    wins = sum(yes > no for yes in scores[2:] for no in scores[:2])
    assert (protection, area) == ("trap2", wins / 4)


def test_scores_and_the_roc_are_written_and_recalled(few, tmp_path, monkeypatch, capsys):
    assert run("detect", *few, "--json") == 0
    told = capsys.readouterr()
    printed = json.loads(told.out)
    (folder,) = tmp_path.rglob("results/mini_vit")
    files = {
        file.name.removeprefix("detection_tasks-mnist-fashion"): file for file in folder.iterdir()
    }
    assert set(files) == {".md", ".csv", "_roc.csv", ".png", ".svg"}
    assert f"wrote {files['.svg']}" in told.err
    scores = pd.read_csv(files[".csv"])
    assert list(scores["row"]) == [*2 * ["fine_tuned"], *2 * ["trap2"]]
    assert list(scores["score"]) == [round(one["score"], 4) for one in printed["updates"]]
    assert list(scores["similarity_1"]) == pytest.approx([1.0] * 4)
    points = pd.read_csv(files["_roc.csv"])
    (curve,) = printed["roc"]
    assert list(points["flagged_protected"]) == [100 * share for _, share, _ in curve["points"]]
    assert set(points["area"]) == {curve["area"]}
    assert [points["area_low_95"][0], points["area_high_95"][0]] == curve["interval"]
    page = files[".md"].read_text()
    assert "| Trap² |" in page
    assert "- Command: `mergebench detect " in page
    assert "at no label" in page

    written = {file.name: file.read_bytes() for file in folder.iterdir()}
    monkeypatch.setattr(detecting, "respond", None)
    assert run("detect", *few, "--json") == 0
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == written
    assert results_page(folder).sections[0].title == "Detection"


def test_without_a_protection_there_is_no_roc(few, tmp_path):
    assert run("detect", *few, "--protections", "none") == 0
    (folder,) = tmp_path.rglob("results/mini_vit")
    assert {file.suffix for file in folder.iterdir()} == {".md", ".csv"}


def test_a_protocol_that_changes_nothing_is_said(few, monkeypatch, capsys):
    monkeypatch.setattr(experiments, "get_protocol", get_protocol)
    monkeypatch.setattr(runs, "score_releases", _stop)
    assert run("detect", *few, "--protocol", "clean") == 2
    first, last = capsys.readouterr().err.splitlines()
    said = "--protocol clean: nothing is searched here, so that this changes no number"
    assert first == f"mergebench: {said}"
    assert last == "mergebench: stopped"


def _stop(*_: object, **__: object) -> None:
    raise InputError("stopped")


def test_an_adapter_of_anybody(few, adapter, capsys):
    assert run("detect", *few, adapter) == 0
    shown = capsys.readouterr().out
    assert "score" in shown
    assert "ROC" not in shown
    assert "wrote" not in shown
    assert run("detect", *few, adapter, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["roc"] == []
    (one,) = told["updates"]
    assert one["update"] == adapter
    assert len(one["confidence"]) == len(SCALES)
    assert one["similarity"][SCALES.index(1.0)] == pytest.approx(1)


def test_an_adapter_is_to_be_scored_on_its_own_task(few, adapter, capsys):
    hint = "scored on the inputs of all 2 tasks, where a trap shows less than on those of the"
    names = few.index("--tasks")
    every = [*few[:names], *few[names + 2 :]]
    assert run("detect", *every, adapter) == 0
    assert hint in capsys.readouterr().err
    assert run("detect", *every, adapter, "--tasks", "mnist") == 0
    assert hint not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (["nowhere"], "nowhere"),
        (["--attacks", "ta"], "--attacks: nothing is merged here; leave it out\n"),
        (["--backbone", "mini_vat"], "unknown backbone 'mini_vat'; did you mean mini_vit"),
        (["--tasks", "mnits"], "mnits"),
        (["--protections", "trap3"], "unknown protection 'trap3'"),
        (["--backbone", "mini_convnext", "ADAPTER"], "mini_convnext"),
    ],
)
def test_wrong_words_are_one_line(few, adapter, capsys, rest, message):
    assert run("detect", *few, *[adapter if word == "ADAPTER" else word for word in rest]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
