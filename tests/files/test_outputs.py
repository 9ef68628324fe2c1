"""Outputs: no input is replaced, and what others wrote only when that is asked for."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from mergebench.errors import InputError
from mergebench.files import Output


def output(
    *inputs: Path, own: bool = False, force: bool | None = False, suffix: str = ""
) -> Output:
    return Output(
        option="--out", inputs=inputs, is_own=lambda path: own, force=force, suffix=suffix
    )


def test_a_new_file_may_be_written_and_nothing_is_made_before(tmp_path: Path) -> None:
    output(tmp_path / "absent").check_file(tmp_path / "new" / "folder" / "file")
    assert list(tmp_path.iterdir()) == []


def same(read: Path) -> Path:
    return read


def another_spelling(read: Path) -> Path:
    return read.parent / ".." / read.parent.name / read.name


def hard_link(read: Path) -> Path:
    link = read.parent.parent / "link"
    os.link(read, link)
    return link


def symbolic_link(read: Path) -> Path:
    link = read.parent.parent / "link"
    link.symlink_to(read)
    return link


def through_a_linked_folder(read: Path) -> Path:
    link = read.parent.parent / "link"
    link.symlink_to(read.parent)
    return link / read.name


NAMES = [same, another_spelling, hard_link, symbolic_link, through_a_linked_folder]


@pytest.mark.parametrize("named", NAMES)
@pytest.mark.parametrize("give_folder", [False, True])
def test_an_input_is_not_replaced_under_any_name(tmp_path: Path, named, give_folder: bool) -> None:
    read = tmp_path / "folder" / "read"
    read.parent.mkdir()
    read.write_text("kept")
    given = read.parent if give_folder else read
    with pytest.raises(InputError, match=r"would replace /|a symbolic link, no"):
        output(given, own=True, force=True).check_file(named(read))


def test_an_input_that_is_given_by_a_link_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "read").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "read")
    with pytest.raises(InputError, match="would replace /"):
        output(tmp_path / "link", own=True, force=True).check_file(tmp_path / "read")


def test_nothing_is_added_to_a_folder_that_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"lies in {tmp_path}"):
        output(tmp_path, force=True).check_file(tmp_path / "below" / "new")


@pytest.mark.parametrize(
    ("own", "force", "content", "allowed"),
    [
        (False, False, "others'", False),
        (True, False, "ours", True),
        (False, True, "others'", True),
        (False, False, "", True),
    ],
)
def test_what_others_wrote_is_replaced_only_by_force(
    tmp_path: Path, own: bool, force: bool, content: str, allowed: bool
) -> None:
    (tmp_path / "file").write_text(content)
    place = output(own=own, force=force)
    if allowed:
        place.check_file(tmp_path / "file")
        place.check_folder(tmp_path, ("file", "other"))
        return
    for path, check in (
        (tmp_path / "file", lambda: place.check_file(tmp_path / "file")),
        (tmp_path, lambda: place.check_folder(tmp_path, ("other", "file"))),
    ):
        expected = f"--out {path}: is there already, and not as this command writes it: choose "
        with pytest.raises(InputError, match=f"{re.escape(expected)}.*or replace it with --force"):
            check()
    place.check_folder(tmp_path, ("other",))


def folder(file: Path) -> None:
    file.mkdir()


def pipe(file: Path) -> None:
    os.mkfifo(file)


def dangling(file: Path) -> None:
    file.symlink_to("absent")


def looping(file: Path) -> None:
    file.symlink_to(file.name)


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (folder, "a folder"),
        (pipe, "a device, pipe or socket"),
        (dangling, "a symbolic link"),
        (looping, "a symbolic link"),
    ],
)
def test_what_is_no_file_is_refused_also_by_force(tmp_path: Path, made, kind: str) -> None:
    made(tmp_path / "file")
    place = output(own=True, force=True)
    with pytest.raises(InputError, match=f"--out {tmp_path}/file: is {kind}, no file"):
        place.check_file(tmp_path / "file")
    with pytest.raises(InputError, match=f"--out {tmp_path}/file: is {kind}, no file"):
        place.check_folder(tmp_path, ("file",))
    if made is not folder:
        with pytest.raises(InputError, match=f"--out {tmp_path}/file: is {kind}, no folder"):
            place.check_folder(tmp_path / "file", ("any",))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/dev/null", "/dev/null: is a device, pipe or socket, no file"),
        ("", r"--out \.: is a folder, no file"),
        ("x" * 300, r"--out x{20}\.\.\.: the name is longer than 200 bytes"),
        ("a\0b", "cannot write a\0b: .*embedded null byte; choose another name"),
        ("file/below", "cannot write file/below: /.*/file is no folder; choose another name"),
        ("loop/below/new", r"cannot write loop/below/new: .*/loop is no folder|symbolic links"),
    ],
)
def test_places_where_no_file_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    looping(tmp_path / "loop")
    with pytest.raises(InputError, match=message):
        output(force=True).check_file(Path(name))


def test_a_place_where_only_the_attempt_shows_that_nothing_can_be_written() -> None:
    """The superuser has every permission there, and can make nothing."""
    with pytest.raises(InputError, match=r"cannot write /proc/new\.json: in /.*; choose another"):
        output().check_file(Path("/proc/new.json"))
    with pytest.raises(InputError, match=r"cannot write /proc/new/folder: in /"):
        output().check_folder(Path("/proc/new/folder"), ("any",))


def test_a_file_in_the_place_of_a_folder_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("kept")
    with pytest.raises(InputError, match=r"page\.html: is a file, no folder: choose another name"):
        output(force=True).check_folder(tmp_path / "page.html", ("any",))
    with pytest.raises(InputError, match=rf"cannot write {tmp_path}/page\.html/plain: "):
        output(force=True).check_folder(tmp_path / "page.html" / "plain", ("any",))


def test_force_is_advised_only_where_there_is_such_an_option(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("others'")
    with pytest.raises(InputError, match=r"as this command writes it: choose another name$"):
        output(force=None).check_file(tmp_path / "file")


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"merged\.bin: expected a name that ends in \.safetens"):
        output(suffix=".safetensors").check_file(tmp_path / "merged.bin")
    with pytest.raises(InputError, match=r"p\.xz: expected a name that ends in \.tar\.xz"):
        output(suffix=".tar.xz").check_file(tmp_path / "p.xz")
    with pytest.raises(InputError, match=r"/\.safetensors: expected a name"):
        output(suffix=".safetensors").check_file(tmp_path / ".safetensors")
