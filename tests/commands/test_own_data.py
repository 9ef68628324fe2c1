"""Data of a user's own on the command line: checked, measured on, and stated in captions."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import pytest
from command_line import random_adapter, run, tower_shapes
from miniature import SETTING
from own_data import pairs, write_pictures, write_texts

from mergebench.commands.runs import evaluating, experiments

COUNTS = {"circle": 8, "square": 8}
FEW_STEPS = replace(
    SETTING, recipe=replace(SETTING.recipe, steps=2, warmup_steps=1, evaluate_every=2)
)


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch, tmp_path):
    for module in (experiments, evaluating):
        monkeypatch.setattr(module, "get_setting", lambda name: FEW_STEPS)
    monkeypatch.setenv("MERGEBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    return [write_pictures(root / name, COUNTS) for name in ("shapes", "signs")]


@pytest.fixture
def outputs(tmp_path):
    return ["--store", tmp_path / "runs", "--results", tmp_path / "results"]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    return random_adapter(tmp_path_factory.mktemp("adapter"), tower_shapes()["mini_vit"], 0)


@pytest.fixture
def complaint(capsys):
    def refused(*words):
        assert run(*words) == 2
        shown = capsys.readouterr()
        assert (shown.out, shown.err.count("\n")) == ("", 1), shown
        return shown.err

    return refused


# --- tables ---------------------------------------------------------------------------------


def test_a_table_of_own_data(tmp_path, folders, outputs, capsys):
    names = tmp_path / "names.json"
    names.write_text(json.dumps({"circle": "round sign"}))
    words = ["table1", "--data", folders[0], "--names", names, "--template", "a photo of a {}"]
    words += ["--protections", "none"]
    assert run(*words, *outputs) == 0
    assert "shapes: 12 training, 2 validation, 2 test images are used" in capsys.readouterr().err
    page = tmp_path / "results" / "mini_vit" / "table1_data-shapes_protections-none.md"
    text = page.read_text()
    assert (
        "mergebench table1 --data shapes --names names.json --template 'a photo of a {}' "
        "--protections none" in text
    )
    assert re.search(r"Suite: own \(sha256 [0-9a-f]{64}\)", text)
    assert str(tmp_path) not in text
    assert run(*words, *outputs) == 0
    shown = capsys.readouterr()
    assert "adapters: 0 measured" in shown.out + shown.err
    again = ["--store", tmp_path / "runs", "--data", folders[0], "--names", names]
    assert run("verify", page.parent, "--cells", 2, *again) == 0


# --- evaluate -------------------------------------------------------------------------------


def test_evaluate_counts_beside_zero_shot(folders, adapter, capsys):
    words = ["evaluate", adapter, "--backbone", "mini_vit", "--data", folders[0], "--json"]
    assert run(*words, "--scale", 0) == 0
    found = json.loads(capsys.readouterr().out)
    shapes = found["tasks"]["shapes"]
    assert shapes["size"] == 2  # a fifth of 8, of two classes
    assert shapes["update"] == shapes["zero_shot"]
    assert shapes["change"] == {"points": 0, "low_95": 0, "high_95": 0}
    assert (found["suite"], found["split"], found["scale"]) == ("own", "test", 0)
    assert run(*words, "--split", "train") == 0
    assert json.loads(capsys.readouterr().out)["tasks"]["shapes"]["size"] == 12


def test_evaluate_agrees_with_the_table_and_reads_what_merge_wrote(
    tmp_path, folders, outputs, capsys
):
    names = [word for folder in folders for word in ("--data", folder)]
    assert run("table1", *names, "--protections", "none", *outputs) == 0
    file = next((tmp_path / "results" / "mini_vit").glob("*_tasks.csv"))
    with file.open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["task"] == "shapes"]
    stated = {row["release"]: int(row["correct"]) for row in rows}
    (trained,) = (tmp_path / "runs" / "releases").glob("shapes-none-*")
    (other,) = (tmp_path / "runs" / "releases").glob("signs-none-*")
    capsys.readouterr()
    words = ["--backbone", "mini_vit", *names, "--tasks", "shapes", "--json"]
    assert run("evaluate", trained, *words) == 0
    shapes = json.loads(capsys.readouterr().out)["tasks"]["shapes"]
    assert {shapes[kind]["correct"] for kind in ("zero_shot", "update")} == {*stated.values()}
    merged = tmp_path / "merged.safetensors"
    merging = ["merge", trained, other, "--backbone", "mini_vit", "--attack", "ta", "--alpha", 0.3]
    assert run(*merging, "--out", merged) == 0
    assert run("evaluate", merged, "--backbone", "mini_vit", *names) == 0
    shown = capsys.readouterr().out
    assert "average" in shown
    assert "zero-shot" in shown


# --- data check, and what is refused --------------------------------------------------------


def test_data_check_shows_what_would_be_measured(folders, capsys):
    assert run("data", "check", "--data", folders[0], "--data", folders[1], "--hashes") == 0
    shown = capsys.readouterr().out
    assert "12/2/2" in shown
    assert "circle" in shown


def test_data_check_says_how_splits_were_made(tmp_path, folders, capsys):
    texts = pairs("all", {"bad": 5, "good": 5})
    file = write_texts(tmp_path / "reviews.csv", [*texts, texts[0]])
    shapes = write_pictures(tmp_path / "shapes", COUNTS)
    (shapes / "circle" / "notes.md").write_text("x")
    assert run("data", "check", "--data", file) == 0
    said = capsys.readouterr().err
    assert "reviews: its texts are not split; validation and test are held out." in said
    assert "reviews: duplicates left out: 1 within training." in said
    assert run("data", "check", "--data", shapes, "--data", folders[1]) == 0
    said = capsys.readouterr().err
    for name in ("shapes", "signs"):
        assert f"{name}: its images are not split; validation and test are held out." in said
        assert f"{name}: images that are the same are left out when they are decoded." in said
    assert "shapes: files that are no images are left out: 1, 'circle/notes.md' is one." in said


def test_data_check_names_what_cannot_be_decoded(tmp_path, capsys):
    shapes = write_pictures(tmp_path / "shapes", COUNTS)
    (shapes / "circle" / "000.png").write_bytes(b"no image")
    assert run("data", "check", "--data", shapes, "--hashes") == 2
    assert "1 of 16 images cannot be decoded" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "nowhere"], "--data nowhere: there is no such folder or file"),
        (["--data", ""], "argument --data: the name is empty"),
        (["--template", "{}"], "--template: says what classes of --data are called; leave it out"),
        (["--names", "a.txt"], "--names: says what classes of --data are called; leave it out"),
    ],
)
@pytest.mark.parametrize("verb", ["table1", "data check", "doctor"])
def test_wrong_options(verb, words, message, complaint):
    assert message in complaint(*verb.split(), *words)


def test_data_check_refuses_what_measuring_does(tmp_path, folders, complaint):
    names = tmp_path / "names.json"
    names.write_text(json.dumps({"circel": "round sign"}))
    check = ["data", "check", "--data", folders[0]]
    assert "unknown label 'circel'; did you mean circle" in complaint(*check, "--names", names)
    assert "--suite: --data takes the place of a suite; leave it" in complaint(
        *check, "--suite", "vision8"
    )


def test_data_check_says_first_that_its_root_is_absent(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("data", "check", "cars", "--data-root", "typo") == 2
    first, missing = capsys.readouterr().err.splitlines()
    assert "--data-root typo: there is no such folder; correct it, or fetch data into it" in first
    assert "copy it to typo/cars" in missing


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data-root", "."], "--data-root: --data says where the data are; leave it out"),
        (["--drop-leaks"], "--drop-leaks: what two splits of --data have is kept once anyway"),
        (["--names", "nowhere"], "--names nowhere: there is no such file"),
        (["--names", "."], "--names: . is a folder, pipe or device: give another file"),
        (["--template", "a"], "--template 'a': expected one {}, where the class name goes"),
        (["--template", ""], "--template '': expected one {}, where the class name goes"),
        (["--tasks", "shape"], "unknown task 'shape'; did you mean shapes"),
    ],
)
def test_options_that_do_not_go_with_own_data(words, message, folders, complaint):
    assert message in complaint("table1", "--data", folders[0], *words)


def test_texts_for_a_backbone_of_images(tmp_path, complaint):
    file = write_texts(tmp_path / "reviews.csv", pairs("all", {"bad": 5, "good": 5}))
    message = complaint("table1", "--data", file)
    assert "has texts, and the backbone takes images; choose another --backbone: minilm" in message


def test_a_class_that_the_backbone_does_not_know(tmp_path, adapter, capsys):
    shapes = write_pictures(tmp_path / "shapes", {"circle": 8, "qwertz": 8})
    assert run("evaluate", adapter, "--backbone", "mini_vit", "--data", shapes) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "mini_vit knows no word of class 'qwertz'" in message
    assert "--names" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scale", "x"], "--scale x: expected a finite number within float32"),
        (["--scale", "1e39"], "--scale 1e39: expected a finite number within float32"),
        (["--split", "tests"], "unknown --split 'tests'"),
        (["--data", "nowhere"], "--data nowhere: there is no such folder or file"),
    ],
)
def test_evaluate_refuses(adapter, words, message, complaint):
    assert message in complaint("evaluate", adapter, "--backbone", "mini_vit", *words)


def test_evaluate_refuses_an_update_of_another_backbone(adapter, complaint, folders):
    words = ["evaluate", adapter, "--backbone", "mini_convnext", "--data", folders[0]]
    assert "mini_convnext" in complaint(*words)


def test_the_paper_setting_has_no_own_data(monkeypatch, folders, complaint):
    monkeypatch.undo()
    message = complaint("table1", "--protocol", "paper-exact", "--data", folders[0])
    assert "protocol paper-exact replicates published numbers, and there are none of" in message
