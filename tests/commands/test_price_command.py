"""The command of the price of theft, on few images, and what it refuses in one line."""

from __future__ import annotations

import csv

import pytest
from command_line import measure_few_images, run
from miniature import PRICED

ATTACKS = ("--attacks", "leave_out:ta ta distil:ta relearn:ta")
SHORT = (
    *("--set", "distil.attempts=2", "--set", "distil.learning_rate_factors=1"),
    *("--set", "relearn.attempts=1", "--set", "relearn.learning_rate_factors=1"),
)
"""A sweep of two seeds alone, where the price would try three seeds and three learning rates."""


@pytest.fixture
def few(tmp_path, monkeypatch, little_store) -> list[object]:
    return measure_few_images(monkeypatch, tmp_path, store=little_store, setting=PRICED)


def test_price(few, tmp_path, capsys) -> None:
    words = [*few, *ATTACKS, *SHORT, "--budgets", "16 4", "--targets", "mnist"]
    assert run("price", *words) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Price of theft · mini_vit" in shown
    assert "without the update" in shown
    files = [*(tmp_path / "results" / "mini_vit").iterdir()]
    assert {one.suffix for one in files} == {".md", ".csv", ".tex", ".png", ".svg"}
    assert all("targets-mnist" in one.name for one in files)
    (table,) = (one for one in files if one.suffix == ".csv")
    with table.open() as lines:
        rows = list(csv.DictReader(lines))
    assert [(one["protection"], one["data"], one["inputs"]) for one in rows] == [
        *(("unprotected", "unlabelled", number) for number in ("0", "4", "16")),
        *(("trap2", "unlabelled", number) for number in ("0", "4", "16")),
        *(("from_base", "labelled", number) for number in ("0", "4", "16")),
    ]
    (text,) = (one.read_text() for one in files if one.suffix == ".md")
    assert "distil:ta looks at 16 images per task from split train, class-balanced;" in text
    assert "attempts 2" in text
    first = {one: one.read_bytes() for one in files}
    assert run("price", *words) == 0
    assert "merges by inputs: 0 measured" in " ".join(capsys.readouterr().out.split())
    assert {one: one.read_bytes() for one in files} == first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--budgets", "many"), "--budgets: many is no whole number from 1"),
        (("--budgets", "16 0"), "--budgets: 0 is no whole number from 1"),
        (("--budgets", "1000"), "more than the 64 training inputs of mnist"),
        (("--targets", "mnits"), "unknown target 'mnits'; did you mean mnist"),
        (("--tasks", "mnist"), "needs two tasks"),
        (("--attacks", "ta"), "--attacks: the price of theft needs an attack such as leave_out:ta"),
    ],
)
def test_wrong_words_are_one_line(few, tmp_path, capsys, words, message) -> None:
    assert run("price", *few, *ATTACKS, *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
