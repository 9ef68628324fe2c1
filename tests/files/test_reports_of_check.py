"""The reports of `check`: told from other files, and never in the place of what is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import run

from mergebench.regression import Checked, is_junit, is_markdown, junit, markdown

NOTHING = Checked(changes=())


@pytest.fixture
def baseline(tmp_path, monkeypatch) -> Path:
    """A baseline that cannot be read, so that a check ends there."""
    monkeypatch.chdir(tmp_path)
    Path("baseline.json").write_text("{}")
    (Path("baseline") / "mnist-none").mkdir(parents=True)
    return Path("baseline.json")


def test_reports_are_recognised(tmp_path):
    (tmp_path / "report.xml").write_bytes(junit(NOTHING))
    (tmp_path / "report.md").write_text(markdown(NOTHING))
    (tmp_path / "other.xml").write_text("<?xml version='1.0'?>\n<testsuite name='pytest'/>\n")
    (tmp_path / "other.md").write_text("# Notes\n")
    assert [is_junit(tmp_path / name) for name in ("report.xml", "other.xml", "no")] == [1, 0, 0]
    assert [is_markdown(tmp_path / name) for name in ("report.md", "other.md", "no")] == [1, 0, 0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--junit", "baseline.json"],
            "--junit baseline.json: would replace baseline.json",
        ),
        (["--markdown", "baseline/mnist-none/x.md"], "lies in baseline"),
        (["--markdown", "notes.md"], "--markdown notes.md: is there already, and not as this"),
        (["--junit", "/dev/null", "--force"], "--junit /dev/null: is a device, pipe or socket"),
        (["--junit", "a", "--markdown", "a"], "--junit and --markdown both name a: name two"),
    ],
)
def test_wrong_places_are_refused_before_anything_is_read(baseline, capsys, words, message):
    Path("notes.md").write_text("# Notes\n")
    assert run("check", baseline, *words) == 2
    assert message in capsys.readouterr().err
    assert Path("notes.md").read_text() == "# Notes\n"
    assert baseline.read_text() == "{}"


@pytest.mark.parametrize("words", [["--markdown", "own.md"], ["--markdown", "notes.md", "--force"]])
def test_own_and_forced_reports_are_replaced(baseline, capsys, words):
    Path("notes.md").write_text("# Notes\n")
    Path("own.md").write_text(markdown(NOTHING))
    assert run("check", baseline, *words) == 2
    assert "baseline baseline.json: experiment: Field required" in capsys.readouterr().err
