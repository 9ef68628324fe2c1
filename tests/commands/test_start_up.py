"""The command line answers before anything heavy is imported."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mergebench.cli import make_parser
from mergebench.commands.parser import Later

HEAVY = ("torch", "open_clip", "torchvision", "timm", "peft", "pandas", "scipy", "matplotlib")
LOADED = """
import json, sys
from mergebench.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("\\n" + json.dumps([name for name in sys.modules if "." not in name]))
"""


def loaded_after(*words: str) -> set[str]:
    """Return the top-level modules that a new process has imported when the command is done."""
    command = [sys.executable, "-c", LOADED, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["table2", "--help"],
        ["tabel2"],
        ["table2", "--protokol", "clean"],
        ["list", "protocols"],
        ["list", "backbones"],
        ["list", "suites"],
        ["list", "atacks"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported_for(words: list[str]) -> None:
    assert loaded_after(*words).isdisjoint(HEAVY)


def runs(parser: argparse.ArgumentParser) -> Iterator[Later]:
    """Yield what all verbs of a parser, and their actions, run."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from runs(verb)
    run = parser.get_default("run")
    if run is not None:
        yield run


def test_every_verb_runs_what_is_there() -> None:
    """Verbs name what they run; a name that is not there would show only when it is typed."""
    found = list(runs(make_parser()))
    assert len(found) >= 17
    assert all(callable(run.function) for run in found)


def test_the_package_is_the_command() -> None:
    command = [sys.executable, "-m", "mergebench", "tabel2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "did you mean table2" in done.stderr
