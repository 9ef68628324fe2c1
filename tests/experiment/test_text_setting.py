"""A text backbone on texts, from local files to finished tables, and what is said where they lack.

The encoder is a small one of the true formats; the texts are miniatures in the true formats on
disk, of which the first words tell the classes apart.
"""

from __future__ import annotations

import csv
import time
from dataclasses import replace
from pathlib import Path

import pytest
from small_encoder import NAME, add_tiny_bert, write_model
from text8_data import write_json_lines

from mergebench import cli
from mergebench.commands.runs import experiments
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.settings import FULL_SETTINGS, SETTINGS
from mergebench.measure.protocols import PROTOCOLS
from mergebench.suites.text8 import prompts_of, task_rows

TASKS = ("sst2", "subj")
SIZES = {"train": 48, "val": 12, "test": 20}
WORDS = {
    "negative": "bad dull",
    "positive": "good bright",
    "objective": "plot",
    "subjective": "film",
}


pytestmark = pytest.mark.usefixtures("alone")


def write_data(root: Path) -> None:
    """Write texts of both tasks, of one to nine words."""
    for task in TASKS:
        labels = prompts_of(task).labels
        files = {
            name: [
                (f"{WORDS[labels[i % 2]]} {'text and ' * (i % 4)}{name} {i}", labels[i % 2])
                for i in range(size)
            ]
            for name, size in SIZES.items()
        }
        write_json_lines(root / task, files)


@pytest.fixture
def words(tmp_path) -> list[str]:
    """Return where everything is, for a verb that makes tables."""
    folders = {"--data-root": "data", "--cache": "cache", "--store": "runs", "--results": "results"}
    return [word for option, name in folders.items() for word in (option, str(tmp_path / name))]


@pytest.fixture
def steps() -> int:
    """Return how many steps a training takes; 24 learn the words."""
    return 2


@pytest.fixture
def run(tmp_path, monkeypatch, words, steps):
    """Run a verb on the small encoder: few steps, few points."""
    add_tiny_bert(monkeypatch)
    for settings in (SETTINGS, FULL_SETTINGS):
        like = settings["minilm"]
        recipe = replace(
            like.recipe,
            learning_rate=1e-2,
            batch_size=8,
            steps=steps,
            warmup_steps=2,
            evaluate_every=steps // 2,
            probe_inputs=6,
        )
        short = replace(like, recipe=recipe, search_per_task=8)
        few = short.with_attack_options("regmean", inputs_per_task=8)
        monkeypatch.setitem(settings, NAME, few)
    monkeypatch.setitem(PROTOCOLS, "paper", replace(PROTOCOLS["paper"], alphas=(0.2, 0.5, 1.0)))
    write_data(tmp_path / "data")
    weights = write_model(tmp_path / "weights")

    def verb(name: str, *more: str) -> int:
        local = ["--backbone", NAME, "--weights", str(weights), "--partial", "--device", "cpu"]
        return cli.main([name, *local, "--tasks", " ".join(TASKS), *words, *more])

    return verb


def made(tmp_path: Path) -> dict[str, list[str]]:
    """Take away the files of results; return their lines, without what training took."""
    found = {}
    for file in sorted((tmp_path / "results" / NAME).iterdir()):
        lines = file.read_bytes().decode().splitlines(keepends=True)
        found[file.name] = [line for line in lines if "per step" not in line]
        file.unlink()
    return found


@pytest.mark.parametrize(
    ("verb", "attacks"),
    [("table1", ()), ("table2", ("ta@full", "ties@core")), ("table4", ("ta@full", "regmean"))],
)
def test_a_table_is_made_twice_with_equal_bytes(tmp_path, capsys, run, verb, attacks):
    more = ["--attacks", " ".join(attacks)] if attacks else []
    assert run(verb, *more) == 0
    first = made(tmp_path)
    assert run(verb, *more) == 0
    assert "0 measured" in capsys.readouterr().out.replace("none measured", "0 measured")
    assert made(tmp_path) == first
    experiment_module._workbench.cache_clear()
    assert run(verb, *more, "--store", str(tmp_path / "another")) == 0
    assert made(tmp_path) == first
    (page,) = (lines for name, lines in first.items() if name.endswith(".md"))
    text = "".join(page)
    assert "text8-partial (sha256" in text
    assert "At most 12 tokens of a text are read; test texts that have so many: " in text
    assert str(tmp_path) not in text
    assert "image" not in text


@pytest.mark.parametrize("steps", [24])
def test_updates_learn_the_words_of_their_tasks(tmp_path, run):
    assert run("table1") == 0
    found = made(tmp_path)
    rows = {row["row"]: row for row in csv.DictReader(found["table1_tasks-sst2-subj_partial.csv"])}
    assert float(rows["zero_shot"]["average"]) < 80
    for name in ("fine_tuned", "trap2"):
        assert {rows[name][task] for task in TASKS} == {"100.00"}


# --- what is missing ------------------------------------------------------------------------


def test_weights_and_all_data_that_lack_are_one_message(tmp_path, capsys, monkeypatch, words):
    monkeypatch.setattr(
        experiments.Experiment, "workbench", lambda self: pytest.fail("model built")
    )
    began = time.monotonic()
    assert cli.main(["table2", "--backbone", "minilm", *words]) == 2
    assert time.monotonic() - began < 10
    shown = capsys.readouterr()
    first, *items = shown.err.splitlines()
    assert shown.out == ""
    assert first == "mergebench: 9 missing, 0.12 GB:"
    named = [item.split(":")[0].strip() for item in items]
    assert named == ["weights all-MiniLM-L6-v2", *(row.name for row in task_rows())]
    repository = "sentence-transformers/all-MiniLM-L6-v2"
    assert f"`hf download {repository} model.safetensors tokenizer.json --revision " in items[0]
    assert "--weights DIR (make: WEIGHTS=DIR)" in items[0]
    for name, item in zip(named[1:], items[1:], strict=True):
        fetch = f"mergebench data fetch --suite text8 {name}"
        assert f"`{fetch}`, or copy it to {tmp_path / 'data' / name}" in item


@pytest.mark.parametrize("verb", ["table1", "table2", "table3", "table4", "doctor"])
def test_every_verb_says_it_before_anything_is_read(tmp_path, capsys, words, verb):
    assert cli.main([verb, "--backbone", "minilm", *words]) == 2
    assert capsys.readouterr().err.startswith("mergebench: 9 missing, 0.12 GB:")


def test_given_weights_of_another_encoder_are_refused_first(tmp_path, capsys, words):
    weights = write_model(tmp_path / "weights")
    assert cli.main(["table1", "--backbone", "minilm", "--weights", str(weights), *words]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"mergebench: {weights / 'model.safetensors'} has no tensor encoder.")
    assert shown.count("\n") == 1


def test_options_of_images_are_refused(capsys, words):
    assert cli.main(["table1", "--backbone", "minilm", "--drop-leaks", *words]) == 2
    shown = capsys.readouterr().err
    assert shown == (
        "mergebench: --drop-leaks: the splits of suite text8 share no text; leave it out\n"
    )
