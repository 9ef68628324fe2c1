"""Texts of a user's own: read in three formats, split once, and named."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from own_data import load, options_of, pairs, write_pictures, write_texts

from mergebench.errors import InputError
from mergebench.suites import load_suite, survey_suite

COUNTS = {"bad": 10, "good": 10}


def read(tmp_path, *paths, **options):
    """Return the first task of these paths before it is tokenised."""
    return survey_suite("own", None, options_of(tmp_path, *paths, **options))[0].task


def refused(tmp_path, *paths, **options):
    with pytest.raises(InputError) as caught:
        read(tmp_path, *paths, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- formats --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_one_file_is_split_by_class(tmp_path, suffix):
    task = read(tmp_path, write_texts(tmp_path / f"reviews.{suffix}", pairs("all", COUNTS)))
    assert (task.name, task.classes, task.templates) == ("reviews", ("bad", "good"), ("{}",))
    assert {name: Counter(split.labels) for name, split in task.splits.items()} == {
        "train": {0: 7, 1: 7},
        "val": {0: 1, 1: 1},
        "test": {0: 2, 1: 2},
    }
    found = {text for split in task.splits.values() for text in split.texts}
    assert found == {text for text, _ in pairs("all", COUNTS)}


def test_formats_and_orders_give_the_same_splits(tmp_path):
    content = pairs("all", COUNTS)
    tasks = [
        read(tmp_path, write_texts(tmp_path / str(n) / f"reviews.{suffix}", order))
        for n, (suffix, order) in enumerate(
            [("jsonl", content), ("csv", content[::-1]), ("parquet", content[1:] + content[:1])]
        )
    ]
    assert tasks[0].splits == tasks[1].splits == tasks[2].splits


def test_files_of_splits_may_have_different_formats(tmp_path):
    folder = tmp_path / "reviews"
    write_texts(folder / "train.jsonl", pairs("train", COUNTS))
    write_texts(folder / "dev.csv", pairs("val", {"bad": 3, "good": 2}))
    write_texts(folder / "test.parquet", pairs("test", {"bad": 4, "good": 4}))
    task = read(tmp_path, folder)
    assert [len(split) for split in task.splits.values()] == [20, 5, 8]
    assert task.source == "JSON lines and CSV and Parquet"


def test_files_that_are_no_splits_are_one_pool(tmp_path):
    write_texts(tmp_path / "reviews" / "monday.csv", pairs("monday", COUNTS))
    write_texts(tmp_path / "reviews" / "tuesday.jsonl", pairs("tuesday", COUNTS))
    assert sum(map(len, read(tmp_path, tmp_path / "reviews").splits.values())) == 40


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_csv_of_spreadsheets(tmp_path, delimiter):
    content = [*pairs("all", COUNTS), ('two\nlines, "quoted"', "good")]
    file = write_texts(tmp_path / "reviews.csv", content, delimiter=delimiter)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    task = read(tmp_path, file)
    assert any(
        'two\nlines, "quoted"' in split.texts and len(split) for split in task.splits.values()
    )


def test_the_same_text_is_kept_once(tmp_path):
    content = [*pairs("all", COUNTS), ("ALL  bad 0", "good")]
    task = read(tmp_path, write_texts(tmp_path / "reviews.csv", content))
    assert sum(map(len, task.splits.values())) == 20
    assert "reviews: duplicates left out: 1 within training; 1 with another label." in task.notes


def test_held_out_splits_are_not_larger_than_needed(tmp_path, monkeypatch):
    monkeypatch.setattr("mergebench.suites.own.held_out.MOST", 4)
    content = pairs("all", {"bad": 30, "good": 30})
    task = read(tmp_path, write_texts(tmp_path / "reviews.csv", content))
    assert [len(split) for split in task.splits.values()] == [52, 4, 4]


def test_texts_are_tokenised_by_the_backbone(tmp_path):
    def tokenize(texts):
        return torch.tensor([[len(text), 0] for text in texts], dtype=torch.int32)

    file = write_texts(tmp_path / "reviews.csv", pairs("all", COUNTS))
    suite = load_suite("own", options=replace(options_of(tmp_path, file), tokenize=tokenize))
    assert (suite.inputs, suite.unit, suite.size) == ("texts", "tokens", 2)
    assert suite.tasks[0].splits["train"].inputs.shape == (14, 2)
    with pytest.raises(ValueError, match="tokenizer"):
        load(tmp_path, file)


# --- labels and names -----------------------------------------------------------------------


def numbered(tmp_path, suffix="jsonl"):
    content = [(f"text {n}", n % 2) for n in range(20)]
    return write_texts(tmp_path / f"reviews.{suffix}", content)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_number_needs_a_name(tmp_path, suffix):
    message = refused(tmp_path, numbered(tmp_path, suffix))
    assert "has the label 0, a number without a name; name the classes with --names" in message


@pytest.mark.parametrize(
    "content",
    [
        '{"0": "bad review", "1": "good review"}',
        '["bad review", "good review"]',
        "0\tbad review\n1\tgood review\n",
        "0 = bad review\n\n1=good review",
        "1,good review\n0,bad review\n",
        "bad review\ngood review\n",
        "\ufeffbad review\r\ngood review\r\n",
    ],
)
def test_names_of_classes(tmp_path, content):
    names = tmp_path / "names.txt"
    names.write_text(content, encoding="utf-8", newline="")
    task = read(tmp_path, numbered(tmp_path), names=names)
    assert task.classes == ("bad review", "good review")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "names no class"),
        ("{}", "names no class"),
        ("{'0': 'bad'}", "not JSON"),
        ('{"0": 7, "1": "good"}', "label '0' has no name"),
        ('{"0": "bad", "0": "good"}', "names the label '0' twice"),
        ("0=bad\n0=good", "names the label '0' twice"),
        ("0=bad\ngood", "some lines have a label and a name, and some do not"),
        ("0=bad\n1=", "label '1' has no name"),
        ("0=bad\n1=bad", "labels '0' and '1' are both the class 'bad'"),
        ("0=bad", "has the label 1, a number without a name"),
    ],
)
def test_names_that_are_refused(tmp_path, content, message):
    names = tmp_path / "names.txt"
    names.write_text(content)
    assert message in refused(tmp_path, numbered(tmp_path), names=names)


def test_a_name_for_a_label_that_is_not_there_is_a_slip(tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("circel=circle")
    shapes = write_pictures(tmp_path / "shapes", {"circle": 5, "square": 5})
    with pytest.raises(InputError, match="unknown label 'circel'; did you mean circle"):
        load(tmp_path, shapes, names=names)


def test_underscores_of_labels_are_spaces(tmp_path):
    content = pairs("all", {"very_bad": 5, "very_good": 5})
    task = read(tmp_path, write_texts(tmp_path / "a.csv", content))
    assert task.classes == ("very bad", "very good")


def test_names_that_a_parquet_file_notes(tmp_path):
    noted = json.dumps({"info": {"features": {"label": {"names": ["bad", "good"]}}}})
    table = pa.table({"text": [f"text {n}" for n in range(20)], "label": [0, 1] * 10})
    pq.write_table(table.replace_schema_metadata({"huggingface": noted}), tmp_path / "a.parquet")
    assert read(tmp_path, tmp_path / "a.parquet").classes == ("bad", "good")


@pytest.mark.parametrize("template", ["a review", "{} {}", "{name}", "{} {x}", "{0}", "{} }"])
def test_templates_that_are_refused(tmp_path, template):
    file = write_texts(tmp_path / "a.csv", pairs("all", COUNTS))
    assert "expected one {}" in refused(tmp_path, file, templates=(template,))


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize("label", [None, 1.0, True, ["bad"], {}, ""])
def test_a_label_that_is_no_name(tmp_path, label):
    file = write_texts(tmp_path / "a.jsonl", [*pairs("all", COUNTS), ("odd", label)])
    message = refused(tmp_path, file)
    assert "line 21: has" in message
    assert "label" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has nothing; expected 'text' and"),
        (b"text,class\na,b\n", "has 'text', 'class'; expected 'text' and"),
        (b"text,label\na,b\nc,d,e\n", "line 3: has 3 values, and the first line 2 names"),
        (b"text,label,text\na,b,c\n", "has the column 'text' more than once; keep one of them"),
        (b"text,label\n,b\n", "line 2: has an empty text"),
        (b"text,label\na,\n", "line 2: has an empty label"),
        (b'text,label\n"a,b\n', "line 2: not CSV"),
        (b"text,label\n\xff,b\n", "not UTF-8"),
        (b"text,label\na,b\nc,b\n", "has one class, 'b'; at least two are needed"),
        (b"text,label\n", "has no class; at least two are needed"),
    ],
)
def test_csv_that_is_refused(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    assert message in refused(tmp_path, tmp_path / "a.csv")


def test_another_format(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"x")
    assert "not a .jsonl, .csv, .parquet file, nor a folder" in refused(
        tmp_path, tmp_path / "a.xlsx"
    )


def test_a_damaged_parquet_file(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    assert "not a complete Parquet file" in refused(tmp_path, tmp_path / "a.parquet")


def test_a_file_beside_those_of_splits(tmp_path):
    for name in ("train", "test", "more"):
        write_texts(tmp_path / "reviews" / f"{name}.csv", pairs(name, COUNTS))
    assert "has 'more.csv' beside 'test.csv'" in refused(tmp_path, tmp_path / "reviews")


def test_a_split_in_two_files(tmp_path):
    for name in ("train.csv", "train.jsonl", "test.csv"):
        write_texts(tmp_path / "reviews" / name, pairs(name, COUNTS))
    assert "keep one of the files" in refused(tmp_path, tmp_path / "reviews")


def test_too_few_texts_of_a_class(tmp_path):
    file = write_texts(tmp_path / "a.csv", pairs("all", {"bad": 10, "good": 2}))
    message = refused(tmp_path, file)
    assert "val has none of 'good': add at least 3 different texts of each" in message
    assert len(read(tmp_path, file, partial=True).splits["test"]) == 3


def test_texts_for_a_backbone_of_images(tmp_path):
    file = write_texts(tmp_path / "a.csv", pairs("all", COUNTS))
    message = refused(tmp_path, file, takes="images")
    assert "has texts, and the backbone takes images; choose another --backbone: minilm" in message
