"""The make targets run what the captions of the committed tables say."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from repository import ROOT

from mergebench.commands.runs.experiments import caption_command
from mergebench.report.captions import stated_facts


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("backbone", ["mini_vit", "mini_convnext"])
@pytest.mark.parametrize(
    ("target", "table"),
    [
        (["table1", "SEEDS=3"], "table1"),
        (["table2", "SEEDS=3"], "table2"),
        (["table2", "PROTOCOL=clean"], "table2_clean"),
    ],
    ids=["table1", "table2", "clean"],
)
def test_targets_run_the_commands_of_the_committed_captions(backbone, target, table):
    environment = {"PATH": os.environ["PATH"]}  # variables of make are taken from it too
    words = ["make", "--dry-run", "--always-make", *target, f"BACKBONE={backbone}"]
    shown = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    last = shlex.split(shown.stdout.replace("\\\n", " ").splitlines()[-1])
    assert Path(last[0]).name == "mergebench"
    caption = (ROOT / "results" / backbone / f"{table}.md").read_text()
    assert caption_command(last[1:]) == stated_facts(caption)["Command"]
