"""Entries of the leaderboard: written from the table, measured again, and held against that."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from few_leaderboard import small_leaderboard
from miniature import FEW_IMAGES

from mergebench.commands.runs import leaderboard
from mergebench.experiment import WORST_CASE
from mergebench.report import Claim
from mergebench.verification.claimed_numbers import following

WHO = ("--who", "A. Tester")
COUNTER = {
    "target": "mnist",
    "seed": 0,
    "knowledge": "blind",
    "data": "none",
    "merged": "0" * 64,
    "validated": {},
    "correct": {"mnist": 0, "fashion": 0},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("entries")


@pytest.fixture(scope="module")
def few(root, little_store) -> Iterator[list[object]]:
    """Return the options of a leaderboard; its store is shared."""
    with pytest.MonkeyPatch.context() as patch:
        yield small_leaderboard(patch, root, little_store)


@pytest.fixture(scope="module")
def first(few, root) -> Path:
    """Return the file of an entry."""
    assert run("leaderboard", *few, "--enter", "ours", *WHO) == 0
    return root / "results" / "leaderboard" / "ours.json"


@pytest.fixture
def entered(first, tmp_path) -> Path:
    """Return a copy of it, to be edited."""
    return Path(shutil.copy(first, tmp_path))


@pytest.fixture
def verify(little_store) -> Callable[..., int]:
    given = ["--store", little_store, "--plugin", FEW_IMAGES]
    return lambda file, *words: run("verify", file, *given, *words)


def edited(file: Path, **changes: Any) -> dict[str, Any]:
    """Write an entry with other fields; return it as it was."""
    entry: dict[str, Any] = json.loads(file.read_text())
    file.write_text(json.dumps({**entry, **changes}))
    return entry


def claims_of_its_counts(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the claims of an entry, with the numbers that follow from its counts."""
    for claim in entry["claims"]:
        for field, value in following(Claim(**claim), entry["sizes"]).items():
            claim[field] = None if value is None else {**LITTLE_KNOWN, "value": round(value, 4)}
    return entry["claims"]


LITTLE_KNOWN = {"low": None, "high": None}


def test_an_entry_states_what_the_table_does(first, few, root):
    entry = json.loads(first.read_text())
    assert (entry["name"], entry["who"]) == ("ours", "A. Tester")
    assert (entry["backbone"], entry["protection"]) == ("mini_vit", "trap2")
    assert entry["worst_case"] == WORST_CASE
    assert entry["adapters"].keys() == {
        f"{task}-{protection}-0"
        for task in ("mnist", "fashion")
        for protection in ("none", "trap2")
    }
    assert "--enter" not in entry["command"]
    assert "--who" not in entry["command"]
    assert [(one["knowledge"], len(one["cases"])) for one in entry["claims"]] == [
        *(("blind", 2), ("informed", 2))
    ]
    caption = next((root / "results" / "mini_vit").glob("*.md")).read_text()
    assert "Tester" not in caption  # the table is the same with and without an entry
    content = first.read_bytes()
    assert run("leaderboard", *few, "--enter", "ours", *WHO) == 0
    assert first.read_bytes() == content


def test_an_entry_is_confirmed(entered, verify, capsys):
    capsys.readouterr()
    assert verify(entered.parent) == 0
    shown = capsys.readouterr().out
    assert "Entry ours: confirmed." in shown
    assert "merges: 0 measured" in shown


def test_what_differs_is_named(entered, verify, capsys):
    entry = json.loads(entered.read_text())
    taken = entry["claims"][1]["cases"][0]["taken"]
    right = taken["correct"]["mnist"]
    taken["correct"]["mnist"] = right + 2
    edited(entered, claims=claims_of_its_counts(entry))
    assert verify(entered) == 1
    shown = capsys.readouterr().out
    assert (
        f"ours: informed, no data, mnist, seed 0, taken: {right + 2} of mnist there, {right} here"
        in shown
    )
    assert "Entry ours: not confirmed, " in shown
    assert "but of its counts" not in shown
    assert verify(entered, "--tolerance", 1) == 1
    assert verify(entered, "--tolerance", 2) == 0
    assert "(tolerated)" in capsys.readouterr().out


def test_updates_choices_and_numbers_are_compared(entered, verify, capsys):
    entry = json.loads(entered.read_text())
    entry["adapters"]["mnist-trap2-0"] = "0" * 64
    entry["claims"][0]["cases"][1]["taken"]["alpha"] = 7.5
    entry["claims"][0]["gain"]["low"] = -99.0
    edited(entered, claims=entry["claims"][::-1], adapters=entry["adapters"])
    assert verify(entered) == 1
    shown = capsys.readouterr().out
    assert "adapter mnist-trap2-0 is 0000" in shown
    assert "blind, no data, fashion, seed 0: taken is ta@full at 7.5 there" in shown
    assert "blind, no data: gain is " in shown
    assert "[-99.0, " in shown
    assert "\ninformed, no data: gain" not in shown, "claims are held against those of their level"
    # On another processor updates are others: only the counts are held against the entry then.
    assert verify(entered, "--tolerance", 1) == 0


def test_a_target_that_is_left_out_is_no_matter_of_tolerance(entered, verify, capsys):
    entry = json.loads(entered.read_text())
    del entry["claims"][0]["cases"][0]
    edited(entered, claims=entry["claims"])
    assert verify(entered, "--tolerance", 20) == 1
    assert "blind, no data, mnist, seed 0: 0 claims there, 1 measured here" in (
        capsys.readouterr().out
    )


def test_claims_follow_from_their_counts_with_any_tolerance(entered, verify, capsys):
    entry = json.loads(entered.read_text())
    entry["claims"][0]["denied_target"] = {**LITTLE_KNOWN, "value": 1.5}
    entry["claims"][1]["gain"]["value"] += 0.01
    del entry["adapters"]["fashion-none-0"]
    edited(entered, claims=entry["claims"], adapters=entry["adapters"])
    capsys.readouterr()
    assert verify(entered, "--tolerance", 20) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "blind, no data: denied_target is 1.5, but of its counts follows" in shown
    assert "informed, no data: gain is " in shown
    assert "adapter fashion-none-0 is not stated there" in shown


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"worst_case": 9}, f"worst_case is 9 there, {WORST_CASE} here"),
        ({"backbone_sha256": "0" * 64}, "backbone_sha256 is 0000"),
        ({"protection": "trap3"}, "its command does not measure trap3"),
    ],
)
def test_claims_about_something_else_are_not_measured(entered, verify, capsys, change, message):
    edited(entered, **change)
    capsys.readouterr()
    assert verify(entered) == 1
    shown = capsys.readouterr().out
    assert message in shown
    assert "merges:" not in shown


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"who": ""}, "who: String should have at least 1 character"),
        ({"name": "other"}, "call it other.json"),
        ({"more": 1}, "more: Extra inputs are not permitted"),
        ({"adapters": {"x": "y"}}, "adapters.x: String should match pattern"),
        ({"counter": COUNTER}, "an entry has claims, or a counter-evaluation: one of them"),
        ({"claims": []}, "an entry has claims, or a counter-evaluation: one of them"),
        ({"sizes": {"mnist": 50}}, "taken: correct and sizes are not both of fashion"),
        ({"sizes": {"mnist": 0, "fashion": 50}}, "taken: more of mnist are correct than there"),
    ],
)
def test_what_is_no_entry_is_said_in_one_line(entered, verify, capsys, change, message):
    edited(entered, **change)
    capsys.readouterr()
    assert verify(entered) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_what_is_no_file_of_an_entry_is_said_before_anything_is_measured(
    few, first, root, verify, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(leaderboard, "measure_worst_case", None)
    results = Path(shutil.copytree(first.parents[1], tmp_path / "results"))
    words = [results if word == root / "results" else word for word in few]
    wrong = results / "leaderboard" / "foo.json"

    def refused(message: str) -> None:
        for command in (lambda: verify(wrong.parent), lambda: run("leaderboard", *words)):
            assert command() == 2
            error = capsys.readouterr().err
            assert message in error
            assert error.count("\n") == 1

    wrong.mkdir()
    capsys.readouterr()
    refused(f"{wrong} is a folder, pipe or device: give another file")
    wrong.rmdir()
    wrong.touch()
    refused(f"{wrong} is no entry: Invalid JSON: EOF")


def test_nobody_elses_entry_is_replaced(few, first, root, monkeypatch, capsys):
    monkeypatch.setattr(leaderboard, "measure_worst_case", None)
    content = first.read_bytes()
    assert run("leaderboard", *few, "--enter", "ours", "--who", "B. Tester") == 2
    message = f"{first} is an entry of A. Tester: choose another --enter name than ours"
    assert message in capsys.readouterr().err
    edited(first, claims=[], counter=COUNTER)
    assert run("leaderboard", *few, "--enter", "ours", *WHO) == 2
    assert f"{first} is a counter-evaluation: choose another" in capsys.readouterr().err
    first.write_bytes(content)


def test_the_command_of_an_entry_is_named_with_its_file(entered, verify, capsys):
    edited(entered, command="mergebench leaderboard --nope")
    assert verify(entered) == 2
    error = capsys.readouterr().err
    assert f"{entered}: unknown option --nope; see mergebench leaderboard --help" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--enter", "x"), "an entry has both"),
        (WHO, "an entry has both"),
        (("--enter", "../x", *WHO), "a name has up to 64"),
        (("--enter", "x", *WHO, "--protections", "trap2 trap2_capped"), "one protection"),
    ],
)
def test_wrong_words_are_refused(few, root, capsys, words, message):
    assert run("leaderboard", *few, *words) == 2
    assert message in capsys.readouterr().err
    assert not (root / "results" / "leaderboard" / "x.json").exists()
