"""text8: files that are damaged or of other classes are refused in one line with the place."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from text8_data import files_of, write_json_lines, write_parquet

from mergebench.suites.text8 import prompts_of, read_task, survey, task_rows
from mergebench.suites.texts import LINE_BYTES

SIZES = {"train": 60, "test": 24}
ROW = task_rows(["trec"])[0]
GOOD = json.dumps({"text": "What is an atom ?", "label": "DESC"}).encode()


@pytest.fixture
def folder(options) -> Path:
    """The folder of a local copy of trec."""
    folder = options.data_root / "trec"
    write_json_lines(folder, files_of("trec", SIZES))
    return folder


def problem(options) -> str:
    found = survey(ROW, options).problem
    assert "\n" not in found
    return found


def entry(**content: object) -> bytes:
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"What is an atom ?\tDESC", "not JSON; expected an object with text and label"),
        (b"", "a blank line; delete it"),
        (GOOD[:-1], "not JSON; expected an object"),
        (b"[" * 100_000, "not JSON; expected an object"),
        (b'["What is an atom ?", "DESC"]', "not a JSON object; expected one with text and label"),
        (entry(sentence="What ?", label="DESC"), "lacks 'text'; correct it, or fetch the file"),
        (entry(text="What ?", intent="DESC"), "lacks 'label'; correct it, or fetch the file"),
        (entry(text=" \t", label="DESC"), "has an empty text; correct it, or fetch it again"),
        (entry(text=None, label="DESC"), "has None as its text"),
        (b'{"text": "half \\ud83d", "label": "DESC"}', r"its text has '\ud83d' alone"),
        (entry(text="What ?", label=None), "has the label None; expected a name or a whole number"),
        (entry(text="What ?", label=True), "has the label True; expected a name or a whole number"),
        (entry(text="What ?", label="WHAT"), "'WHAT' among its classes, not in the list of trec"),
        (entry(text="What ?", label=-1), "has the label -1; expected 0 to 5"),
        (b'{"text": "caf\xe9", "label": "DESC"}', "not UTF-8 at byte 14; convert it"),
        (entry(text="w" * 10_000_000, label="DESC"), "longer than 1,048,576 bytes; expected one"),
        (b"\xef\xbb\xbf" + GOOD, "starts with a byte order mark; save it as UTF-8 without one"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_wrong_line_is_named(options, folder, line, message):
    file = folder / "train.jsonl"
    lines = file.read_bytes().splitlines()
    file.write_bytes(b"\n".join([*lines[:6], line, *lines[6:]]) + b"\n")
    assert problem(options).startswith(f"{file}, line 7: {message}")


def test_lines_may_end_as_on_windows(options, folder):
    before = read_task(ROW, options).splits
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert read_task(ROW, options).splits == before


def test_the_longest_line_is_read(options, folder):
    file = folder / "test.jsonl"
    filled = "w" * (LINE_BYTES - len(entry(text="", label="DESC")) - 1)
    file.write_bytes(file.read_bytes() + entry(text=filled, label="DESC") + b"\n")
    assert filled in read_task(ROW, options).splits["test"].texts


def _pipe(folder: Path) -> str:
    (folder / "train.jsonl").unlink()
    os.mkfifo(folder / "train.jsonl")
    return "train.jsonl: not a regular file; put the JSON lines themselves there"


def _pipe_of_parquet(folder: Path) -> str:
    for file in folder.iterdir():
        file.unlink()
    os.mkfifo(folder / "train.parquet")
    return "train.parquet: not a complete Parquet file; fetch it again"


def _no_label(folder: Path) -> str:
    (folder / "train.jsonl").write_text('{"text": "What ?", "fine": "DESC:def"}\n')
    return (
        "train.jsonl, line 1: has 'text', 'fine'; expected 'text' and 'label_text' or 'intent' or "
        "'category' or 'coarse_label' or 'label'"
    )


def _twice(folder: Path) -> str:
    for name in ("dev", "validation"):
        (folder / f"{name}.jsonl").write_bytes(GOOD)
    return (
        "dev.jsonl: is of the same split as validation.jsonl; join them into one file, or keep one "
        "if they are copies"
    )


def _mixed(folder: Path) -> str:
    with (folder / "test.jsonl").open("ab") as file:
        file.write(entry(text="What ?", label=3))
    return "test.jsonl: has labels that are names, and numbers; use one kind"


def _spelled_twice(folder: Path) -> str:
    with (folder / "test.jsonl").open("ab") as file:
        file.write(entry(text="What ?", label="desc"))
    return "test.jsonl: has 'DESC' twice; keep one of each class"


def _no_training(folder: Path) -> str:
    (folder / "train.jsonl").rename(folder / "dev.jsonl")
    return "has the files test, val; expected train and test, or one file alone"


def _empty(folder: Path) -> str:
    (folder / "test.jsonl").write_text("")
    return "leaves no texts for test; add some"


@pytest.mark.parametrize(
    "spoil",
    [
        _pipe,
        _pipe_of_parquet,
        _no_label,
        _twice,
        _mixed,
        _spelled_twice,
        _no_training,
        _empty,
    ],
)
def test_a_wrong_copy_is_named(options, folder, spoil: Callable[[Path], str]):
    message = spoil(folder)
    assert problem(options).endswith(message) or message in problem(options)


def test_lacking_classes_are_named_unless_partial(options, folder):
    row = replace(ROW, forms=(replace(ROW.forms[0], sizes=SIZES),))
    files = files_of("trec", SIZES)
    files["test"] = [(text, "LOC" if label == "NUM" else label) for text, label in files["test"]]
    write_json_lines(folder, files)
    assert read_task(row, options).classes == prompts_of("trec").classes
    file = folder / "test.jsonl"
    assert survey(row, replace(options, partial=False)).problem == (
        f"{file}: has 5 of 6 classes; without 'NUM'; use the whole data set or --partial"
    )


# --- Parquet --------------------------------------------------------------------------------


def _parquet(options, **columns) -> Path:
    file = options.data_root / "trec" / "train.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns), file)
    return file


def test_a_wrong_row_is_named(options):
    file = _parquet(options, text=["What ?", None, "How ?"], label=["DESC", "NUM", "DESC"])
    assert problem(options) == f"{file}, row 2: has None as its text; correct it, or fetch it again"


def test_a_label_of_a_row_that_is_no_class_is_named(options):
    file = _parquet(options, text=["What ?", "Why ?"], coarse_label=["DESC", "DESC:def"])
    assert problem(options).startswith(f"{file}, row 2: 'DESC:def' among its classes, not in")


def test_other_columns_are_refused(options):
    file = _parquet(options, sentence=["What ?"], label=["DESC"])
    assert problem(options).startswith(f"{file}: has 'sentence', 'label'; expected 'text' and ")


def test_other_names_in_the_metadata_are_refused(options):
    names = [*prompts_of("trec").labels[:-1], "number"]
    files = {"train": [("What ?", "DESC")]}
    write_parquet(options.data_root / "trec", files, names=names)
    assert "'number' among its classes, not in the list of trec" in problem(options)


def test_damaged_metadata_are_refused(options):
    table = pa.table({"text": ["What ?"], "label": [0]})
    file = _parquet(options, text=["What ?"], label=[0])
    pq.write_table(table.replace_schema_metadata({"huggingface": "[1"}), file)
    assert problem(options).startswith(f"{file}: the metadata `huggingface` are not those of")


def test_shards_that_name_their_classes_otherwise_are_refused(options):
    folder, labels = options.data_root / "trec", prompts_of("trec").labels
    first = folder / "train-00000-of-00002.parquet"
    other = folder / "train-00001-of-00002.parquet"
    refusal = f"{other}: has other class names than {first.name}, or none; keep one copy"
    for names in (labels[::-1], None):
        write_parquet(folder, files_of("trec", SIZES), names=labels, shards=2)
        write_parquet(folder / "other", files_of("trec", SIZES), names=labels[::-1], shards=2)
        spoilt = pq.read_table(folder / "other" / other.name)
        pq.write_table(spoilt if names else spoilt.replace_schema_metadata(None), other)
        shutil.rmtree(folder / "other")
        assert problem(options) == refusal


@pytest.mark.parametrize("name", ["text", "label"])
def test_a_column_that_is_there_twice_is_named(options, name):
    file = _parquet(options, text=["What ?"], label=["DESC"], more=["DESC"])
    table = pq.read_table(file).rename_columns(["text", "label", name])
    pq.write_table(table, file)
    assert problem(options) == f"{file}: has the column {name!r} more than once; keep one of them"


def test_other_columns_may_be_there_twice(options):
    file = _parquet(options, text=["What ?"], label=["DESC"], more=[1], another=[2])
    pq.write_table(pq.read_table(file).rename_columns(["text", "label", "more", "more"]), file)
    assert problem(options).endswith("add some")  # it was read


def test_a_text_that_is_not_utf_8_is_named(options):
    text = pa.array([b"caf\xe9"], pa.binary()).view(pa.string())
    file = _parquet(options, text=text, label=["DESC"])
    assert problem(options) == f"{file}: has a text that is not UTF-8; convert it"


def test_a_broken_file_and_a_missing_shard_are_refused(options):
    folder = options.data_root / "trec"
    write_parquet(folder, files_of("trec", SIZES), shards=2)
    file = folder / "train-00001-of-00002.parquet"
    content = file.read_bytes()
    file.write_bytes(content[:-20])
    assert problem(options) == f"{file}: not a complete Parquet file; fetch it again"
    file.unlink()
    assert "has 1 of the 2 files of train-00000-of-00002.parquet's split" in problem(options)
