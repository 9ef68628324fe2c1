"""Words that name files or folders: what nothing can be called is one line with status 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import run

from mergebench import cli
from mergebench.registry import registry

TABLE = ("table1", "--tasks", "mnist")
MERGE = ("merge", "--backbone", "mini_vit", "--attack", "ta")


@pytest.fixture
def complaint(tmp_path, monkeypatch, capsys):
    """Run a wrong command beside a looping link and a file; return the one line it prints."""
    monkeypatch.chdir(tmp_path)
    registry.cache_clear()
    Path("loop.py").symlink_to("loop.py")
    Path("file").write_text("kept")
    folders = ("--store", "runs", "--results", "results")

    def refused(*words: object) -> str:
        assert run(*words[:1], *(folders if words[0] == "table1" else ()), *words[1:]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("mergebench: ")
        assert shown.err.count("\n") == 1
        assert Path("file").read_text() == "kept"
        return shown.err

    return refused


@pytest.mark.parametrize("option", ["--store", "--results", "--plugin", "--weights", "--cache"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "the name is empty"),
        ("loop.py", "loop.py: Too many levels of symbolic links"),
        ("x" * 300, "x: File name too long"),
        ("a\0b", r"'a\x00b': embedded null byte"),
        ("\ud800", r"'\ud800': 'utf-8' codec"),
    ],
)
def test_names_that_nothing_has(complaint, option, name, reason):
    error = complaint(*TABLE, option, name)
    assert f"argument {option}: " in error
    assert reason in error


@pytest.mark.parametrize("name", ["", "loop.py", "x" * 300, "a\0b"])
@pytest.mark.parametrize(
    "words",
    [
        [*MERGE, "--out", "new.safetensors", "NAME"],
        [*MERGE, "file", "--out", "NAME"],
        ["export", "--backbone", "mini_vit", "--layout", "open_clip", "--out", "new", "NAME"],
        ["export", "--backbone", "mini_vit", "--layout", "open_clip", "file", "--out", "NAME"],
        ["check", "NAME"],
        ["check", "file", "--junit", "NAME"],
        ["verify", "NAME"],
        ["list", "attacks", "--plugin", "NAME"],
        ["data", "check", "--cache", "NAME"],
    ],
    ids=" ".join,
)
def test_every_verb_says_it_in_one_line(complaint, words, name):
    assert "argument " in complaint(*(name if word == "NAME" else word for word in words))


@pytest.mark.parametrize("option", ["--store", "--results", "--cache", "--data-root"])
def test_a_file_in_the_place_of_a_folder(complaint, option):
    line = complaint(*TABLE, option, "file")
    assert f"argument {option}: file is no folder: choose another name; see" in line


def test_a_store_that_is_recalled_is_not_made(complaint):
    words = ("replay", "--rule", "target", "--store", "typo", "--results", "results")
    line = complaint(*words)
    assert "--store typo: lacks cells of this table; run `mergebench table2` with it first" in line
    assert sorted(path.name for path in Path().iterdir()) == ["file", "loop.py"]


def test_other_failures_of_the_file_system_are_one_line(complaint, monkeypatch):
    def fails(*words: object) -> None:
        raise PermissionError(13, "Permission denied", "some/file")

    monkeypatch.setattr(cli, "make_parser", lambda: _Parsed(fails))
    assert complaint("any") == "mergebench: some/file: Permission denied\n"


class _Parsed:
    def __init__(self, run: object) -> None:
        self.run = run

    def parse_args(self, words: list[str]) -> _Parsed:
        return self
