"""Detection from scratch, on few images, and of adapters of anybody."""

from __future__ import annotations

import json

import pytest
from command_line import measure_few_images, random_adapter, run

from mergebench.backbones import site_shapes
from mergebench.measure import SCALES


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
    assert "Trap² against unprotected: area under the ROC" in shown
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


def test_an_adapter_of_anybody(few, adapter, capsys):
    assert run("detect", *few, adapter) == 0
    shown = capsys.readouterr().out
    assert "score" in shown
    assert "ROC" not in shown
    assert run("detect", *few, adapter, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["roc"] == []
    (one,) = told["updates"]
    assert one["update"] == adapter
    assert len(one["confidence"]) == len(SCALES)
    assert one["similarity"][SCALES.index(1.0)] == pytest.approx(1)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (["nowhere"], "nowhere"),
        (["--attacks", "ta"], "--attacks: nothing is merged to detect a trap"),
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
