"""Which files of a user's texts are which split: a test file is never trained on in silence."""

from __future__ import annotations

import errno
import os

import pytest
from own_data import options_of, pairs, write_texts

from mergebench.errors import InputError
from mergebench.suites import survey_suite
from mergebench.suites.split_files import files_below

COUNTS = {"bad": 5, "good": 5}


def read(tmp_path, *names):
    """Return the task of a folder with files of these names, each with texts of its own."""
    for name in names:
        write_texts(tmp_path / "reviews" / name, pairs(name, COUNTS))
    return survey_suite("own", None, options_of(tmp_path, tmp_path / "reviews"))[0].task


def refused(tmp_path, *names):
    with pytest.raises(InputError) as caught:
        read(tmp_path, *names)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_test_split_is(task, name):
    assert sorted(task.splits["test"].texts) == sorted(text for text, _ in pairs(name, COUNTS))


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Train.csv", "Test.csv"),
        ("TRAIN.jsonl", "Validation.jsonl"),
        ("train.csv", "test.CSV"),
        ("train.JSONL", "Test.Csv"),
        ("data/Train.parquet", "data/Test.PARQUET"),
        ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
    ],
)
def test_splits_may_be_called_in_capitals(tmp_path, train, test):
    assert_test_split_is(read(tmp_path, train, test), test)


def test_a_suffix_in_capitals_is_a_file_too(tmp_path):
    task = read(tmp_path, "monday.csv", "Extra.CSV")
    assert sum(map(len, task.splits.values())) == 20


def test_a_split_in_two_spellings(tmp_path):
    message = refused(tmp_path, "train.csv", "Train.csv", "test.csv")
    assert "is train, and train.csv is too; join them into one file, or keep one if" in message


@pytest.mark.parametrize(
    ("name", "word", "renamed"),
    [
        ("reviews_test.csv", "test", "test.csv"),
        ("Test-reviews.csv", "test", "test.csv"),
        ("reviews.dev.JSONL", "dev", "val.jsonl"),
        ("valid 2.csv", "valid", "val.csv"),
        ("my test/reviews.csv", "test", "test.csv"),
        ("test-00000-of-00001-a09b74b3ef9c3b56.parquet", "test", "test.parquet"),
    ],
)
def test_a_pool_with_the_name_of_a_split_is_no_pool(tmp_path, name, word, renamed):
    message = refused(tmp_path, "more.csv", name)
    assert f"{name!r} reads as {word} data, but would be split anew with the others" in message
    assert f"rename it to {renamed}, or, if it is no split, so that its path does not" in message


def test_a_word_that_only_begins_like_a_split_is_none(tmp_path):
    task = read(tmp_path, "trains.csv", "contest.csv", "validity.csv")
    assert sum(map(len, task.splits.values())) == 30


def test_one_file_alone_may_be_called_anything(tmp_path):
    file = write_texts(tmp_path / "reviews_train.csv", pairs("all", COUNTS))
    assert survey_suite("own", None, options_of(tmp_path, file))[0].task.name == "reviews_train"


def test_a_link_to_a_folder_is_followed(tmp_path):
    write_texts(tmp_path / "elsewhere" / "test.csv", pairs("test.csv", COUNTS))
    (tmp_path / "reviews").mkdir()
    (tmp_path / "reviews" / "data").symlink_to(tmp_path / "elsewhere")
    assert_test_split_is(read(tmp_path, "train.csv"), "test.csv")


def test_links_back_up_are_not_followed(tmp_path):
    for one, other in (("here", "there"), ("there", "here")):
        (tmp_path / one).mkdir()
        (tmp_path / one / other).symlink_to(tmp_path / other)
        (tmp_path / one / "train.csv").touch()
    assert files_below(tmp_path / "here", "csv") == ["there/train.csv", "train.csv"]


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "reviews" / "data").mkdir(parents=True)
    scanned = os.scandir

    def denied(folder):
        if str(folder).endswith("data"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return scanned(folder)

    monkeypatch.setattr(os, "scandir", denied)
    assert "reviews/data: cannot be read: Permission denied" in refused(tmp_path, "train.csv")
