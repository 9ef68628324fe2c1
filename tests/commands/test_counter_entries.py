"""Counter-evaluations: entered with their merged update, verified, and put into the table."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import run
from few_leaderboard import small_leaderboard
from miniature import FEW_IMAGES
from safetensors.torch import load_file, save_file

from mergebench.commands.runs import leaderboard
from mergebench.errors import InputError
from mergebench.experiment import file_sha256

AGAINST = ("--target", "mnist", "--knowledge", "informed")
LARGE = 65 * 2**20
WHO = ("--enter", "theirs", "--who", "A. Tester")


def verify(*words: object) -> int:
    """Return the exit status of `verify`; entries name the plug-in, not where it lies."""
    return run("verify", *words, "--plugin", FEW_IMAGES)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("counters")


@pytest.fixture(scope="module")
def few(root, little_store) -> Iterator[list[object]]:
    """Return the options of a leaderboard; its store is shared."""
    with pytest.MonkeyPatch.context() as patch:
        yield small_leaderboard(patch, root, little_store)


@pytest.fixture(scope="module")
def merged(few, root, little_store) -> Path:
    """Return a merge of the updates that the leaderboard merges, made by hand."""
    assert run("leaderboard", *few) == 0
    by_hand = root / "by_hand.safetensors"
    adapters = sorted((little_store / "releases").glob("*/adapter_config.json"))
    words = ["--attack", "ta", "--alpha", "0.4", "--out", by_hand]
    folders = [file.parent for file in adapters[:2]]
    assert run("merge", "--backbone", "mini_vit", *words, *folders) == 0
    return by_hand


@pytest.fixture(scope="module")
def first(few, root, merged) -> Path:
    """Return the file of the entry."""
    assert run("leaderboard", *few, *WHO, "--merged", merged, *AGAINST) == 0
    return root / "results" / "leaderboard" / "theirs.json"


@pytest.fixture
def results(first, tmp_path) -> Path:
    """Return a copy of the results, to be edited."""
    return Path(shutil.copytree(first.parents[1], tmp_path / "results"))


def rows(results: Path) -> list[dict[str, str]]:
    (file,) = (results / "mini_vit").glob("leaderboard*_targets.csv")
    with file.open() as lines:
        return list(csv.DictReader(lines))


def edited(file: Path, **changes: Any) -> None:
    entry = json.loads(file.read_text())
    file.write_text(json.dumps({**entry, "counter": {**entry["counter"], **changes}}))


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_the_better_one_on_validation_is_in_the_table(first, results, little_store, capsys):
    counter = json.loads(first.read_text())["counter"]
    assert first.with_suffix(".safetensors").exists()
    assert counter["correct"].keys() == {"mnist", "fashion"}
    (ours,) = (
        row
        for row in rows(results)
        if (row["protection"], row["knowledge"], row["target"]) == ("trap2", "informed", "mnist")
    )
    capsys.readouterr()
    status = verify(first, "--store", little_store)
    said = shown(capsys)
    if ours["attack"] == "counter:theirs":
        assert int(ours["confirmed_all"]) == sum(counter["validated"].values())
        assert (status, "Entry theirs: confirmed." in said) == (0, True)
    else:
        assert int(ours["confirmed_all"]) >= sum(counter["validated"].values())
        assert (status, "reaches as much on validation inputs" in said) == (1, True)
    assert all(row["attack"] != "counter:theirs" for row in rows(results) if row != ours)


def test_one_of_another_version_is_named_and_left_out(few, first, results, root, capsys):
    entry = results / "leaderboard" / "theirs.json"
    told = json.loads(entry.read_text())
    before = {**told, "worst_case": told["worst_case"] - 1}
    entry.write_text(json.dumps(before))
    capsys.readouterr()
    assert run("leaderboard", *[results if word == root / "results" else word for word in few]) == 0
    versions = f"version {before['worst_case']} of the set, this is {told['worst_case']}"
    assert f"left out: theirs: it was entered against {versions}" in shown(capsys)
    assert all(row["attack"] != "counter:theirs" for row in rows(results))


def test_what_is_not_as_it_says_is_named_and_left_out(
    few, first, results, root, little_store, capsys
):
    entry = results / "leaderboard" / "theirs.json"
    right = json.loads(entry.read_text())["counter"]["correct"]["mnist"]
    edited(entry, correct={"mnist": right + 1, "fashion": 24})
    capsys.readouterr()
    words = [results if word == root / "results" else word for word in few]
    assert run("leaderboard", *words) == 0
    assert f"left out: theirs: {right + 1} test inputs of mnist there, {right} here" in (
        shown(capsys)
    )
    assert not any(row["attack"] == "counter:theirs" for row in rows(results))
    assert verify(entry, "--store", little_store) == 1
    assert "Entry theirs: not confirmed" in shown(capsys)


def test_another_processor_is_tolerated(first, results, little_store, capsys):
    """Its training makes another update, and counts differ by some inputs."""
    entry = results / "leaderboard" / "theirs.json"
    as_stated = verify(first, "--store", little_store)
    right = json.loads(entry.read_text())["counter"]["correct"]
    edited(entry, correct={**right, "mnist": right["mnist"] + 2})
    stated = json.loads(entry.read_text())
    entry.write_text(
        json.dumps({**stated, "adapters": dict.fromkeys(stated["adapters"], "0" * 64)})
    )
    statuses = {}
    for tolerance in (0, 1, 2):
        capsys.readouterr()
        words = ["--store", little_store, "--tolerance", tolerance]
        statuses[tolerance] = verify(entry, *words)
        said = shown(capsys)
        assert "it was made against another mnist-trap2-0" in said
        assert f"{right['mnist'] + 2} test inputs of mnist there, {right['mnist']} here" in said
    assert statuses == {0: 1, 1: 1, 2: as_stated}
    # Validation is asked only where nothing else speaks against it.
    assert as_stated == ("reaches as much on validation inputs" in said)


def test_another_file_is_not_measured(first, results, little_store, capsys):
    entry = results / "leaderboard" / "theirs.json"
    file = entry.with_suffix(".safetensors")
    save_file({name: 2 * tensor for name, tensor in load_file(file).items()}, file)
    capsys.readouterr()
    assert verify(entry, "--store", little_store) == 1
    assert "theirs.safetensors has the hash" in shown(capsys)
    file.unlink()
    assert verify(entry, "--store", little_store) == 1
    assert "theirs.safetensors cannot be read" in shown(capsys)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--merged", "x.safetensors"), "a counter-evaluation is --merged FILE"),
        ((*WHO, "--target", "mnist"), "a counter-evaluation is --merged FILE"),
        ((*WHO, "--merged", "x", *AGAINST, "--seeds", "2"), "leave --seeds out"),
        ((*WHO, "--merged", "x", *AGAINST), "x cannot be read: No such file"),
        ((*WHO, "--merged", ".", *AGAINST), ". is a folder, pipe or device: give a regular file"),
        ((*WHO, "--merged", __file__, *AGAINST[2:], "--target", "mnits"), "unknown --target"),
    ],
)
def test_wrong_words_are_refused(few, capsys, words, message):
    assert run("leaderboard", *few, *words) == 2
    assert message in capsys.readouterr().err


def test_what_is_no_merged_update_is_refused_before_anything_is_measured(
    few, root, little_store, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(leaderboard, "measure_worst_case", None)
    file = tmp_path / "big.safetensors"

    def refused(merged: Path) -> str:
        assert run("leaderboard", *few, *WHO, "--merged", merged, *AGAINST) == 2
        error = capsys.readouterr().err
        assert str(merged) in error
        assert error.count("\n") == 1
        return error

    file.touch()
    assert "is truncated or not a safetensors file" in refused(file)
    with file.open("wb") as content:
        content.truncate(LARGE)
    assert "is truncated or not a safetensors file" in refused(file)
    save_file({"x": torch.zeros(3, 3)}, file)
    assert "mini_vit has no" in refused(file)
    adapter = next((little_store / "releases").glob("*/adapter_model.safetensors"))
    assert "is an adapter, which is nothing without its configuration" in refused(adapter)


def test_files_of_any_size_have_a_hash(tmp_path):
    file = tmp_path / "merged.safetensors"
    with file.open("wb") as content:
        content.truncate(LARGE)
    assert file_sha256(file) == hashlib.sha256(bytes(LARGE)).hexdigest()
    with pytest.raises(InputError, match="is a folder, pipe or device: give a regular file"):
        file_sha256(tmp_path)


def test_nobody_elses_entry_is_replaced(few, first, merged, root, monkeypatch, capsys):
    monkeypatch.setattr(leaderboard, "measure_worst_case", None)
    before = {one: one.read_bytes() for one in first.parent.iterdir()}

    def refused(*words: str, merged: Path = merged) -> str:
        assert run("leaderboard", *few, *words, "--merged", merged, *AGAINST) == 2
        return capsys.readouterr().err

    assert f"{first} is an entry of A. Tester: choose another --enter name than theirs" in refused(
        "--enter", "theirs", "--who", "B. Tester"
    )
    assert run("leaderboard", *few, *WHO) == 2
    assert f"{first} is a counter-evaluation: choose another" in capsys.readouterr().err
    assert {one: one.read_bytes() for one in first.parent.iterdir()} == before
    lonely = first.with_name("lonely.safetensors")
    lonely.write_bytes(b"somebody's")
    words = ("--enter", "lonely", "--who", "A. Tester")
    assert f"{lonely} is there already: choose another --enter name than lonely" in refused(*words)
    lonely.unlink()


def test_ones_own_entry_is_replaced(few, first, merged):
    content = first.read_bytes()
    assert run("leaderboard", *few, *WHO, "--merged", merged, *AGAINST) == 0
    assert first.read_bytes() == content
