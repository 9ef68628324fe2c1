"""Which commit a cell says that it was measured with."""

from __future__ import annotations

import re
import subprocess

import pytest
from repository import ROOT

from mergebench.measure import cell
from mergebench.measure.cell import code_revision


def test_the_code_s_revision_is_that_of_this_checkout() -> None:
    revision = code_revision()
    if not (ROOT / ".git").exists():
        assert revision is None
    else:
        assert revision is not None
        assert re.fullmatch(r"[0-9a-f]{12}(-dirty)?", revision)


@pytest.mark.parametrize(
    ("file", "dirty"),
    [("results/table1.md", False), ("attacks/mine.py", True), ("mergebench/measure/cell.py", True)],
)
def test_a_revision_is_dirty_where_code_changed(tmp_path, monkeypatch, file, dirty) -> None:
    """A checkout is made of this module alone; a new table in it is no change of the code."""
    source = tmp_path / "mergebench" / "measure" / "cell.py"
    for path in (source, tmp_path / "results" / "table1.md"):
        path.parent.mkdir(parents=True)
        path.write_text("first\n")
    who = ["-c", "user.name=n", "-c", "user.email=e"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    monkeypatch.setattr(cell, "__file__", str(source))
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("second\n")
    revision = code_revision.__wrapped__()
    assert re.fullmatch(r"[0-9a-f]{12}" + ("-dirty" if dirty else ""), revision)
