"""The command line answers before anything heavy is imported."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mergebench.cli import make_parser
from mergebench.commands.parser import Later
from mergebench.commands.runs import plugin_descriptions
from mergebench.commands.runs.plugin_descriptions import (
    KINDS,
    Description,
    descriptions,
    keep_descriptions,
    kept_descriptions,
)

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


def output_of(*words: str, cache: Path | None = None) -> list[str]:
    """Return the lines that a new process prints; the last one lists its top-level modules."""
    kept = {} if cache is None else {"MERGEBENCH_CACHE": str(cache)}
    command = [sys.executable, "-c", LOADED, *words]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | kept
    )
    return done.stdout.splitlines()


def loaded_after(*words: str, cache: Path | None = None) -> set[str]:
    """Return the top-level modules that a new process has imported when the command is done."""
    return set(json.loads(output_of(*words, cache=cache)[-1]))


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["table2", "--help"],
        ["tabel2"],
        ["table2", "--protokol", "clean"],
        ["table2", "--tasks", "mnistt"],
        ["table4", "--backbone", "minilm", "--tasks", "mnist"],
        ["price", "--backbone=vit_b32", "--tasks=mnist flags"],
        ["evaluate", "x", "--backbone", "mini_vit", "--tasks", "mnistt"],
        ["list", "protocols"],
        ["list", "backbones"],
        ["list", "suites"],
        ["list", "atacks"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported_for(words: list[str]) -> None:
    assert loaded_after(*words).isdisjoint(HEAVY)


def test_plug_ins_are_imported_once_and_then_described_from_what_was_kept(tmp_path: Path) -> None:
    first, again = (output_of("list", "attacks", cache=tmp_path) for _ in range(2))
    assert "torch" in json.loads(first[-1])
    assert set(json.loads(again[-1])).isdisjoint(HEAVY)
    assert again[:-1] == first[:-1]
    assert any("dare_ties" in line for line in again)


def test_kept_descriptions_are_of_this_code_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MERGEBENCH_CACHE", str(tmp_path))
    assert kept_descriptions() is None
    keep_descriptions(descriptions())
    assert kept_descriptions() == descriptions()
    with monkeypatch.context() as edited:
        edited.setattr(plugin_descriptions, "ENTRY_POINT_GROUPS", ("console_scripts",))
        assert kept_descriptions() is None
    for content in ("{}", "[" * 10**5):
        (tmp_path / "plugins.json").write_text(content)
        assert kept_descriptions() is None


def install(folder: Path, module: str) -> Path:
    """Install a module with an entry point as an editable install does; return its file."""
    about = folder / "elsewhere-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[mergebench.attacks]\nfound = {module}:Found\n")
    return folder / f"{module}.py"


@pytest.mark.parametrize("package", [False, True])
def test_an_edit_of_an_installed_plug_in_shows(tmp_path, monkeypatch, package: bool) -> None:
    monkeypatch.setenv("MERGEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    found: dict[str, list[Description]] = {kind: [] for kind in KINDS}
    file = install(tmp_path, "elsewhere_plugin")
    keep_descriptions(found)
    assert not (tmp_path / "cache").exists()  # whose files are unknown is not kept
    if package:
        file = tmp_path / "elsewhere_plugin" / "__init__.py"
        file.parent.mkdir()
    file.write_text("raise RuntimeError('imported')")
    importlib.invalidate_caches()
    keep_descriptions(found)
    assert kept_descriptions() == found
    file.write_text("raise RuntimeError('imported and edited')")
    assert kept_descriptions() is None


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
