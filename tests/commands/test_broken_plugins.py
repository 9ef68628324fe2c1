"""A plug-in that breaks its contract is named in one line, by the verb that it is used in."""

from __future__ import annotations

import pytest
from command_line import random_adapter, run, tower_shapes

from mergebench.registry import registry

BREAKS = """
import sys
from dataclasses import dataclass
from mergebench.contracts import Merger

@dataclass(frozen=True, kw_only=True)
class Breaks(Merger):
    name = "breaks"
    paper = "none: an example"
    how: str = "none"

    def combine(self, stack, site):
        if self.how == "exit":
            sys.exit(0)
        if self.how == "raise":
            return stack + {}
        if self.how == "in place":
            return stack.mul_(0).sum(0)
"""


@pytest.mark.parametrize(
    ("how", "fault"),
    [
        ("none", "combine returned None; expected a tensor of shape "),
        ("exit", "SystemExit: 0"),
        ("raise", "TypeError: unsupported operand"),
        ("in place", "combine changed `stack` in place"),
    ],
)
def test_merge_tells_in_one_line_and_writes_nothing(tmp_path, capsys, how, fault) -> None:
    registry.cache_clear()
    (tmp_path / "breaks.py").write_text(BREAKS)
    adapters = [random_adapter(tmp_path / str(n), tower_shapes()["mini_vit"], n) for n in range(2)]
    words = ["merge", "--backbone", "mini_vit", "--attack", "breaks", "--set", f"how={how}"]
    words += ["--plugin", tmp_path / "breaks.py", "--out", tmp_path / "out.safetensors"]
    assert run(*words, *adapters) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"mergebench: attack breaks of {tmp_path}/breaks.py: at site ")
    assert fault in shown.err
    assert shown.err.count("\n") == 1
    assert not (tmp_path / "out.safetensors").exists()
    assert run("--debug", *words, *adapters) == 2
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last):" in shown
    assert shown.splitlines()[-1].startswith("mergebench: attack breaks of ")
    registry.cache_clear()
