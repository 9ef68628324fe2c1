"""Files and folders that are written whole: kills, company, modes, what killed writers leave."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mergebench.errors import InputError
from mergebench.files.atomic import (
    check_writable,
    replacing,
    replacing_folder,
    temporary_beside,
    write_missing,
)
from mergebench.files.leftovers import LEFTOVER_AGE_S, remove_leftovers, swept

FORK = multiprocessing.get_context("fork")
OLD = time.time() - 2 * LEFTOVER_AGE_S


@pytest.fixture(params=[0o022, 0o002, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_have_the_mode_that_the_umask_allows(tmp_path: Path, umask: int) -> None:
    text, tensors = tmp_path / "record.json", tmp_path / "update.safetensors"
    with replacing(text) as temporary:
        temporary.write_text("{}")
    with replacing(tensors) as temporary:
        save_file({"a": torch.zeros(3)}, temporary)  # which makes a private file
    assert mode(text) == mode(tensors) == 0o666 & ~umask


def test_folders_have_the_mode_that_the_umask_allows(tmp_path: Path, umask: int) -> None:
    with (
        replacing_folder(tmp_path / "new", keep=bool) as made,
        replacing(made / "update.safetensors") as temporary,
    ):
        save_file({"a": torch.zeros(3)}, temporary)
    assert mode(tmp_path / "new") == 0o777 & ~umask
    assert mode(tmp_path / "new" / "update.safetensors") == 0o666 & ~umask


def test_many_files_are_written_where_they_are_not_there(tmp_path: Path, umask: int) -> None:
    there, new = tmp_path / "cells" / "a.json", tmp_path / "releases" / "b" / "record.json"
    there.parent.mkdir()
    there.write_text("old")
    assert write_missing({there: b"new", new: b"new"}) == 1
    assert (there.read_text(), new.read_text(), mode(new)) == ("old", "new", 0o666 & ~umask)
    assert {file for file in tmp_path.rglob("*") if file.is_file()} == {there, new}


def test_of_many_files_none_is_written_if_one_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    first, other = tmp_path / "a.json", tmp_path / "file" / "b.json"
    with pytest.raises(InputError, match=f"cannot write {other}: "):
        write_missing({first: b"", other: b""})
    assert [*tmp_path.iterdir()] == [tmp_path / "file"]


def fail_in_a_file(file: Path) -> None:
    with replacing(file) as temporary:
        temporary.write_text("new")
        temporary.with_name("left by a library").write_text("")
        raise KeyError


def fail_in_a_folder(folder: Path) -> None:
    with replacing_folder(folder, keep=bool) as made:
        (made / "half").write_text("")
        raise KeyError


def test_a_failed_write_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "table.md"
    file.write_text("old")
    with pytest.raises(KeyError):
        fail_in_a_file(file)
    with pytest.raises(KeyError):
        fail_in_a_folder(tmp_path / "new")
    assert [*tmp_path.iterdir()] == [file]
    assert file.read_text() == "old"


def make(folder: Path, text: str, *, keep: bool) -> list[Path]:
    asked = []
    with replacing_folder(folder, keep=lambda there: asked.append(there) or keep) as made:
        (made / "text").write_text(text)
    return asked


def test_a_folder_takes_its_name_when_it_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "releases" / "one"
    with replacing_folder(folder, keep=bool) as made:
        (made / "text").write_text("new")
        assert not folder.exists()
    assert (folder / "text").read_text() == "new"
    assert [*folder.parent.iterdir()] == [folder]


@pytest.mark.parametrize("keep", [True, False])
def test_a_folder_that_is_there_stays_or_goes(tmp_path: Path, keep: bool) -> None:
    folder = tmp_path / "one"
    assert make(folder, "theirs", keep=False) == []
    (folder / "more").write_text("")
    assert make(folder, "ours", keep=keep) == [folder]
    assert (folder / "text").read_text() == ("theirs" if keep else "ours")
    assert (folder / "more").exists() is keep
    assert [*tmp_path.iterdir()] == [folder]


def test_a_file_in_the_place_of_a_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("in the way")
    make(tmp_path / "one", "ours", keep=False)
    assert (tmp_path / "one" / "text").read_text() == "ours"


FILES = 8


def write_many(folder: Path) -> None:
    with replacing_folder(folder, keep=lambda there: len([*there.iterdir()]) == FILES) as made:
        for number in range(FILES):
            with replacing(made / f"{number}") as temporary:
                temporary.write_text(str(number))


def test_kills_leave_the_whole_folder_or_none(tmp_path: Path) -> None:
    moments, outcomes, number = random.Random(0), set(), 0
    while outcomes != {True, False} or number < 12:
        folder = tmp_path / str(number)
        child = FORK.Process(target=write_many, args=(folder,))
        child.start()
        time.sleep(moments.expovariate(1 / (0.002 * 1.3**number)))
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        outcomes.add(folder.exists())
        if folder.exists():
            assert sorted(int(file.read_text()) for file in folder.iterdir()) == [*range(FILES)]
        write_many(folder)  # whatever was left, the next one completes it
        assert len([*folder.iterdir()]) == FILES
        number += 1


def left(path: Path, *, folder: bool) -> Path:
    """Leave what a killed writer leaves of `path`, an age ago."""
    temporary = temporary_beside(path)
    written = temporary / "half" if folder else temporary
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text("half")
    os.utime(written, (OLD, OLD))
    os.utime(temporary, (OLD, OLD))
    return temporary


def test_only_old_leftovers_of_this_program_are_swept(tmp_path: Path) -> None:
    gone = [left(tmp_path / "a.json", folder=False), left(tmp_path / "b", folder=True)]
    young = temporary_beside(tmp_path / "c.json")
    young.write_text("half")
    at_work = left(tmp_path / "d", folder=True)
    (at_work / "new").write_text("its writer goes on")
    os.utime(at_work, (OLD, OLD))
    others = [tmp_path / name for name in (".notes.tmp", ".a.json.12-xyz.tmp", "a.1-00000000.tmp")]
    for file in others:
        file.write_text("not ours")
        os.utime(file, (OLD, OLD))
    remove_leftovers(tmp_path)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in (young, at_work, *others))


def test_whoever_writes_in_a_folder_sweeps_it(tmp_path: Path) -> None:
    first, second = tmp_path / "results", tmp_path / "out"
    gone = [
        left(first / "table1.md", folder=True),
        left(second / "merged.safetensors", folder=True),
    ]
    check_writable(first)
    with replacing(second / "merged.safetensors") as temporary:
        temporary.write_text("whole")
    assert not any(path.exists() for path in gone)
    swept.cache_clear()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write .*file/one: .*choose another place"):
        make(tmp_path / "file" / "one", "ours", keep=True)
