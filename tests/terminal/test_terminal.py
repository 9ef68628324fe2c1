"""What is printed: text from outside steers nothing, and a stream that breaks ends no verb."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import pytest
from command_line import measure_few_images, run
from repository import ROOT
from rich.table import Table
from rich.text import Text

from mergebench.registry import registry
from mergebench.terminal import (
    lasting_streams,
    make_console,
    printable,
    status_after,
)
from mergebench.terminal.streams import BROKEN_PIPE

NAME = "[bold]x[/bold][/] :smile:"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\rb\x7f\x9b", r"a\rb\x7f\x9b"),
        ("a\u202eb", r"a\u202eb"),
        ("\udc80", r"\udc80"),
        ("Trap² ± α – é 漢\t\n", "Trap² ± α – é 漢\t\n"),
    ],
)
def test_what_steers_is_shown_as_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown


def printed(*things: object) -> str:
    shown = io.StringIO()
    make_console(shown, width=200).print(*things)
    return shown.getvalue()


def test_names_are_printed_as_they_are() -> None:
    table = Table(NAME)
    table.add_row(NAME)
    assert printed(NAME).rstrip() == NAME
    assert printed(table).count(NAME) == 2


@pytest.mark.parametrize("thing", ["a\x1b]0;b", Text("a\x1b]0;b"), Table("a\x1b]0;b")])
def test_escapes_are_not_sent_to_the_terminal(thing: object) -> None:
    assert "\x1b" not in printed(thing)
    assert r"a\x1b]0;b" in printed(thing)


# --- streams --------------------------------------------------------------------------------


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., TextIO]]:
    """Return a function that opens a file as the standard output."""
    opened: list[TextIO] = []

    def open_as_output(file: Path, encoding: str = "utf-8") -> TextIO:
        opened.append(file.open("w", encoding=encoding))
        monkeypatch.setattr(sys, "stdout", opened[-1])
        return opened[-1]

    yield open_as_output
    for file in opened:
        file.close()


def test_what_cannot_be_encoded_is_replaced(tmp_path: Path, stream, capsys) -> None:
    with stream(tmp_path / "shown", "ascii"), lasting_streams():
        print("Trap² \udc80")
        make_console(width=20).print(Table("Größe"))
    shown = (tmp_path / "shown").read_text().splitlines()
    assert shown[0] == "Trap? ?"
    assert "| Gr??e |" in shown
    assert capsys.readouterr().err == ""


def test_work_goes_on_after_a_failure(tmp_path: Path, stream) -> None:
    stream(Path("/dev/full"))
    with lasting_streams() as output:
        console = make_console()
        console.print("lost")
        console.print("lost too")
        status, told = status_after(output, 0)
    assert status == 1
    assert told == (
        "cannot print: No space left on device; files that the command writes are complete"
    )


def test_the_status_of_another_error_stays(stream, capsys) -> None:
    stream(Path("/dev/full"))
    assert run("list", "nothing") == 2
    assert capsys.readouterr().err.startswith("mergebench: unknown kind 'nothing'")
    assert run("--help") == 1
    assert capsys.readouterr().err.startswith("mergebench: cannot print: No space left on device")


@pytest.fixture
def few_images(monkeypatch, tmp_path) -> Iterator[list[object]]:
    """Options of a table of few images; the plug-in files of the test are forgotten after it."""
    registry.cache_clear()
    yield measure_few_images(monkeypatch, tmp_path)
    registry.cache_clear()


def test_a_table_is_written_before_it_is_printed(
    tmp_path: Path, stream, capsys, few_images
) -> None:
    stream(Path("/dev/full"))
    words = ["--attacks", "weighted_sum", "--protections", "none"]
    assert run("table2", *few_images, *words) == 1
    assert capsys.readouterr().err.startswith("mergebench: cannot print: No space left on device")
    (markdown,) = (tmp_path / "results" / "mini_vit").glob("table2*.md")
    assert "|  | weighted_sum |" in markdown.read_text()


def test_without_an_output_stream_nothing_is_said(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert run("list", "spaces") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("ending", "status", "told"),
    [
        ("| :", BROKEN_PIPE, ""),
        ("> /dev/full", 1, "mergebench: cannot print: No space left on device; files that the "),
    ],
)
def test_a_process_ends_without_complaints_of_python(ending: str, status: int, told: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "{sys.executable}" -m mergebench list attacks {ending}'],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert done.stderr.startswith(told)
    assert done.stderr.count("\n") == bool(told)
