"""Whatever bears the name of a small file, reading it ends, with its bytes or a reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mergebench.files.reading import content_of


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "cell.json"
    file.write_bytes(b"12345")
    assert content_of(file, limit=5) == b"12345"
    with pytest.raises(ValueError, match="larger than 4 bytes"):
        content_of(file, limit=4)


@pytest.mark.parametrize("what", ["pipe", "folder", "device"])
def test_anything_else_is_refused_at_once(tmp_path: Path, what: str) -> None:
    file = tmp_path / "cell.json"
    if what == "pipe":
        os.mkfifo(file)
    elif what == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="a folder, pipe or device"):
        content_of(file)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        content_of(tmp_path / "cell.json")
