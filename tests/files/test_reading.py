"""Reading what strangers wrote: whole regular files of bounded size, or one line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mergebench.errors import InputError
from mergebench.files import read_bounded


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_bounded(tmp_path / "file", 5) == b"12345"


def test_a_missing_file_is_the_callers_to_explain(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "file", 5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: file.write_bytes(b"123456"), "is larger than 5 bytes"),
        (lambda file: file.mkdir(), "is a folder, pipe or device: give another file"),
        (os.mkfifo, "is a folder, pipe or device"),
        (lambda file: file.symlink_to("/dev/zero"), "is a folder, pipe or device"),
        (lambda file: file.symlink_to(file), "cannot be read: Too many levels"),
    ],
)
def test_what_is_refused(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    make(tmp_path / "file")
    with pytest.raises(InputError, match=message) as caught:
        read_bounded(tmp_path / "file", 5)
    assert str(tmp_path / "file") in str(caught.value)


def test_a_name_that_no_file_has_is_one_line() -> None:
    with pytest.raises(InputError, match="cannot be read: embedded null byte"):
        read_bounded(Path("a\0b"), 5)
