"""text8: class lists, prompts, and splits that share no text and hang on texts alone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from text8_data import files_of, write_json_lines

from mergebench.suites import (
    SPLIT_NAMES,
    SuiteOptions,
    default_data_root,
    inputs_of,
    load_suite,
)
from mergebench.suites.options import DATA_VARIABLE
from mergebench.suites.text8 import (
    TASKS,
    prompts_of,
    read_task,
    read_tasks,
    split_sizes,
    survey,
    task_rows,
    tasks,
)
from mergebench.suites.texts import Texts, key_of

ROW = task_rows(["sst2"])[0]


def read(options, files, row=ROW):
    write_json_lines(options.data_root / row.name, files)
    return read_task(row, options)


def test_prompts_are_complete():
    for row in TASKS:
        prompts = prompts_of(row.name)
        assert prompts.task == row.name
        assert len(set(prompts.labels)) == len(set(prompts.classes)) == len(prompts.labels)
        assert all(template.count("{}") == 1 for template in prompts.templates)
        assert set(prompts.provenance) == {"labels", "classes", "templates"}
        for names in (prompts.labels, prompts.classes):
            order = prompts.order_of(names, "", partial=False)
            assert order == [*range(len(prompts.labels))]
    counts = [len(prompts_of(row.name).labels) for row in TASKS]
    assert counts == [77, 150, 6, 2, 2, 4, 4, 7]


def test_prompt_files_are_plain_facts():
    folder = Path(tasks.__file__).parent / "prompts"
    assert sorted(file.stem for file in folder.glob("*.json")) == sorted(row.name for row in TASKS)
    for file in folder.glob("*.json"):
        allowed = {"task", "provenance", "templates", "labels", "classes"}
        assert set(json.loads(file.read_text())) == allowed


def test_caps_are_shares_of_the_classes():
    for row in TASKS:
        classes = len(prompts_of(row.name).labels)
        if classes > 7:
            assert all(cap % classes == 0 for cap in row.caps.values())
        assert 2 * classes <= row.caps["val"] <= 450
        assert row.caps["train"] <= 4_000
    assert [split_sizes(row)["test"] for row in TASKS] == [385, 450, *(400,) * 6]


# --- duplicates -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Do n't go !", "don't  go!"),
        ("ﬁne\u00a0film", "FINE FILM"),
        ("cafe\u0301", "café"),
        ("Straße", "STRASSE"),
    ],
)
def test_equal_texts_have_one_key(one, other):
    assert key_of(one) == key_of(other)
    assert key_of(one) != key_of(f"{one}?")


def test_a_text_is_kept_once_and_in_test_first(options):
    files = files_of("sst2", {"train": 40, "val": 20, "test": 20})
    whole = read(options, files)
    test_text, val_text, train_text = (files[name][0][0] for name in ("test", "val", "train"))
    files["train"] += [
        (test_text.upper(), "negative"),
        (val_text.replace(" ", "  "), "negative"),
        (f"{train_text} ", "positive"),
    ]
    files["val"].append((test_text, "negative"))
    files["test"].insert(0, (test_text, "positive"))
    task = read(options, files)
    assert {name: len(split) for name, split in task.splits.items()} == {
        "train": 40,
        "val": 20,
        "test": 20,
    }
    assert task.splits["train"] == whole.splits["train"]
    assert task.splits["val"] == whole.splits["val"]
    kept = dict(zip(task.splits["test"].texts, task.splits["test"].labels, strict=True))
    assert kept[test_text] == 1  # the first of the two
    assert task.notes[0] == (
        "sst2: duplicates left out: 1 within test, 1 of training that test has too, 1 within "
        "training, 1 of training that validation has too, 1 of validation that test has too; 4 "
        "with another label."
    )


# --- splits ---------------------------------------------------------------------------------


def test_published_splits_are_drawn_by_class_within_their_caps(options):
    row = replace(ROW, caps={"train": 30, "val": 10, "test": 8})
    files = files_of("sst2", {"train": 90, "dev": 40, "test": 30})
    files["train"] = [
        (text, "negative" if i % 9 else "positive") for i, (text, _) in enumerate(files["train"])
    ]
    task = read(options, files, row)
    counts = {name: dict(Counter(split.labels)) for name, split in task.splits.items()}
    assert counts == {"train": {0: 20, 1: 10}, "val": {0: 5, 1: 5}, "test": {0: 4, 1: 4}}
    for name, file in (("train", "train"), ("val", "dev"), ("test", "test")):
        assert set(task.splits[name].texts) < {text for text, _ in files[file]}
    assert task.notes == (
        "sst2: 30 of 90 training, 10 of 40 validation, 8 of 30 test texts are used, drawn by "
        "class.",
    )


def test_a_text_that_is_added_moves_no_other(options):
    row = replace(ROW, caps={"train": 30, "val": 10, "test": 8})
    files = files_of("sst2", {"train": 90, "val": 40, "test": 30})
    before = read(options, files, row)
    files["train"].insert(0, ("one more", "positive"))
    after = read(options, files, row)
    assert after.splits["val"] == before.splits["val"]
    assert len({*after.splits["train"].texts} - {*before.splits["train"].texts}) <= 1


@pytest.mark.parametrize(
    ("sizes", "note"),
    [
        ({"train": 90, "test": 30}, "sst2: validation is held out of training."),
        (
            {"train": 90, "validation": 30},
            "sst2: the validation file is the test split; validation is held out of training.",
        ),
        ({"all": 90}, "sst2: its texts are not split; validation and test are held out."),
        ({"test": 90}, "sst2: the file 'test' alone is split into all three."),
    ],
)
def test_splits_that_are_not_published_are_held_out(options, sizes, note):
    row = replace(ROW, caps={"train": 20, "val": 10, "test": 12})
    files = files_of("sst2", sizes)
    task = read(options, files, row)
    assert tuple(task.splits) == SPLIT_NAMES
    assert {name: len(split) for name, split in task.splits.items()} == dict(row.caps)
    texts = [text for split in task.splits.values() for text in split.texts]
    assert len(set(texts)) == len(texts)
    assert {text for text, _ in files[next(iter(sizes))]} >= set(task.splits["val"].texts)
    assert task.notes[0] == note


def test_a_rare_class_keeps_four_fifths_for_training(options):
    files = files_of("sst2", {"train": 100, "test": 20})
    files["train"] = [
        (text, "positive" if i < 10 else "negative") for i, (text, _) in enumerate(files["train"])
    ]
    task = read(options, files)
    assert Counter(task.splits["val"].labels) == {0: 18, 1: 2}
    assert Counter(task.splits["train"].labels) == {0: 72, 1: 8}


def test_texts_out_of_scope_are_left_out_and_counted(options):
    row = task_rows(["clinc150"])[0]
    files = files_of("clinc150", {"train": 900, "test": 300})
    within = read(options, files, row)
    files["train"] += [("what is the meaning of nothing", "oos"), ("blue", "oos")]
    task = read(options, files, row)
    assert task.splits == within.splits
    assert "clinc150: 2 texts that are out of scope are left out." in task.notes


def test_the_suite_says_texts(options):
    write_json_lines(
        options.data_root / "sst2", files_of("sst2", {"train": 9, "dev": 6, "test": 6})
    )
    tokenize = lambda texts: torch.ones(len(texts), 4, dtype=torch.int32)  # noqa: E731
    suite = load_suite("text8", ["sst2"], options=replace(options, tokenize=tokenize))
    assert (suite.inputs, suite.size, suite.unit) == (inputs_of("text8"), 4, "tokens")


def test_texts_and_labels_are_as_many():
    with pytest.raises(ValueError, match="2 texts have 1 labels"):
        Texts(texts=("a", "b"), labels=(0,))


# --- the real data --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("row", TASKS, ids=lambda row: row.name)
def test_real_copies_give_disjoint_splits_of_every_class(row):
    folder = default_data_root() / row.name
    if not folder.is_dir():
        pytest.skip(f"no local copy in {folder}; {DATA_VARIABLE} names the folder of copies")
    options = SuiteOptions()
    state = survey(row, options)
    assert state.problem == ""
    (task,) = read_tasks([row.name], options=options)
    classes = set(range(len(task.classes)))
    keys = [{key_of(text) for text in split.texts} for split in task.splits.values()]
    assert sum(map(len, keys)) == len(set.union(*keys)) == sum(map(len, task.splits.values()))
    for name, split in task.splits.items():
        assert set(split.labels) == classes
        assert 0.96 * split_sizes(row)[name] <= len(split) <= row.caps[name]
        if len(classes) <= 2:
            assert len(set(Counter(split.labels).values())) == 1
