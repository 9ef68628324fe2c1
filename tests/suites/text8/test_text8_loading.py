"""text8 as a suite: token ids of a backbone's tokenizer, labels, notes, and what hashes tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_encoder import SOURCE, tokenizer
from text8_data import files_of, write_json_lines

from mergebench.backbones.bert.token_ids import TokenIds
from mergebench.errors import InputError
from mergebench.suites import SPLIT_NAMES, SuiteOptions, load_suite
from mergebench.suites.text8 import load_text8, prompts_of, read_tasks, survey, task_rows

SIZES = {"train": 60, "val": 12, "test": 24}
TASKS = ("sst2", "subj")


@pytest.fixture
def reading(options) -> SuiteOptions:
    """Where two tasks lie, and the tokenizer of the small encoder."""
    for task in TASKS:
        write_json_lines(options.data_root / task, files_of(task, SIZES))
    return replace(options, tokenize=TokenIds(tokenizer(), SOURCE.context))


def test_inputs_are_token_ids_in_the_order_of_the_texts(reading):
    suite = load_text8(TASKS, options=reading)
    assert suite.task_names == TASKS
    assert suite.size == SOURCE.context
    assert suite.inputs == "texts"
    for task, read in zip(suite.tasks, read_tasks(TASKS, options=reading), strict=True):
        assert task.classes == prompts_of(task.name).classes
        assert task.templates == prompts_of(task.name).templates
        assert tuple(task.splits) == SPLIT_NAMES
        for name, split in task.splits.items():
            texts = read.splits[name]
            assert split.inputs.dtype == torch.int32
            assert split.inputs.shape == (len(texts), SOURCE.context)
            assert torch.equal(split.inputs, reading.tokenize(texts.texts))
            assert tuple(split.labels.tolist()) == texts.labels
            assert split.labels.dtype == torch.int64
    assert [len(split) for split in suite.task("sst2").splits.values()] == [60, 12, 24]


def test_the_order_is_the_suite_s_and_names_find_it(reading):
    suite = load_suite("text8", [*reversed(TASKS)], options=reading)
    assert suite.task_names == TASKS
    assert suite.sha256 == load_text8(TASKS, options=reading).sha256
    with pytest.raises(InputError, match="unknown task 'sst'; did you mean sst2"):
        load_suite("text8", ["sst"], options=reading)


def test_the_hash_changes_with_texts_labels_order_and_tokenizer(reading):
    hashes = [load_text8(TASKS, options=reading).sha256]
    assert load_text8(TASKS, options=reading).sha256 == hashes[0]
    hashes.append(load_text8(["sst2"], options=reading).sha256)

    shorter = replace(reading, tokenize=TokenIds(tokenizer(), 10))
    hashes.append(load_text8(TASKS, options=shorter).sha256)
    hashes.append(load_text8(TASKS, options=replace(reading, tokenize=_shifted)).sha256)

    files = files_of("sst2", SIZES)
    text, label = files["train"][3]
    files["train"][3] = (f"{text}, not", label)
    write_json_lines(reading.data_root / "sst2", files)
    hashes.append(load_text8(TASKS, options=reading).sha256)
    files["train"][3] = (text, next(name for _, name in files["train"] if name != label))
    write_json_lines(reading.data_root / "sst2", files)
    hashes.append(load_text8(TASKS, options=reading).sha256)
    assert len(set(hashes)) == len(hashes) == 6


def _shifted(texts):
    ids = TokenIds(tokenizer(), SOURCE.context)(texts)
    return torch.where(ids > 4, (ids - 4) % 115 + 5, ids)


def test_partial_data_give_the_suite_another_name(reading, monkeypatch):
    partial = load_text8(TASKS, options=reading)
    assert partial.name == "text8-partial"
    monkeypatch.setattr("mergebench.suites.text8.finding.check_sizes", lambda *_, **__: None)
    whole = load_text8(TASKS, options=replace(reading, partial=False))
    assert whole.name == "text8"
    assert whole.sha256 != partial.sha256
    assert [task.sha256 for task in whole.tasks] == [task.sha256 for task in partial.tasks]


def test_notes_state_sources_splits_and_what_is_cut(reading):
    write_json_lines(
        reading.data_root / "subj",
        {
            "train": [(f"number {n}", ("objective", "subjective")[n % 2]) for n in range(20)],
            "test": [("is " * n, ("objective", "subjective")[n % 2]) for n in range(1, 21)],
        },
    )
    (reading.data_root / "subj" / "val.jsonl").unlink()
    notes = load_text8(TASKS, options=reading).notes
    assert notes[0] == "Texts: sst2 JSON lines (partial), subj JSON lines (partial)."
    assert "subj: validation is held out of training." in notes
    assert all(note.endswith(".") for note in notes)
    cut = notes[-1]
    assert cut.startswith("At most 12 tokens of a text are read; test texts that have so many: ")
    assert "subj 55 %" in cut


def test_texts_that_no_result_is_of_are_named(reading, monkeypatch):
    monkeypatch.setattr("mergebench.suites.text8.finding.check_sizes", lambda *_, **__: None)
    whole = replace(reading, partial=False)
    sst2, subj = read_tasks(TASKS, options=whole)
    known = [replace(row, measured_sha256=sst2.sha256) for row in task_rows(TASKS)]
    monkeypatch.setattr("mergebench.suites.text8.reading.task_rows", lambda _: known)
    others = [note for note in load_text8(TASKS, options=whole).notes if "not those of" in note]
    assert others == [
        "subj: its texts are not those of the results that come with mergebench (SHA-256 "
        f"{subj.sha256[:12]}, not {sst2.sha256[:12]})."
    ]
    found = [survey(row, whole).facts["as in results"] for row in known]
    assert found == ["yes", "no"]


def test_without_a_tokenizer_there_are_no_inputs(options):
    for ask in (
        lambda: load_text8(options=options),
        load_text8,
        lambda: load_suite("text8"),
        lambda: load_suite("text8", options=options),
    ):
        with pytest.raises(ValueError, match="suite text8 needs the tokenizer of a backbone"):
            ask()


def test_all_that_is_missing_is_one_message(options):
    tokenize = TokenIds(tokenizer(), SOURCE.context)
    with pytest.raises(InputError, match="8 missing: banking77: not found"):
        load_text8(options=replace(options, tokenize=tokenize))
