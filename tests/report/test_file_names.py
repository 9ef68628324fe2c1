"""Names of result files: a part of a table, or one of other options, never replaces the whole."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from miniature import FEW_IMAGES
from repository import ROOT

from mergebench.commands import tables
from mergebench.commands.parser import Parser
from mergebench.commands.runs.experiments import checked_experiment
from mergebench.commands.runs.file_names import stem
from mergebench.experiment import Experiment
from mergebench.registry import registry
from mergebench.report import stated_facts
from mergebench.suites import all_tasks, load_suite

COMMITTED = sorted((ROOT / "results").glob("mini_*/table*.md"))


@pytest.fixture
def name_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], str]:
    """Return what the files of a command are called; nothing is loaded."""
    registry.cache_clear()
    tasks = SimpleNamespace(task_names=all_tasks("mini8"))
    parts = SimpleNamespace(attentions=lambda: ["one, which is what protections ask for"])
    bench = SimpleNamespace(suite=tasks, backbone=SimpleNamespace(parts=parts))
    monkeypatch.setattr(Experiment, "workbench", lambda self: bench)
    parser = Parser(prog="mergebench")
    tables.add_verbs(parser.add_subparsers(dest="verb"))

    def name(command: str) -> str:
        options = parser.parse_args(shlex.split(command)[1:])
        options.words = []
        options.results = tmp_path
        return stem(options.verb, options, checked_experiment(options))

    return name


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_committed_tables_keep_their_names(name_of, file: Path) -> None:
    assert name_of(stated_facts(file.read_text())["Command"]) == file.stem


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("table2 --seeds 3 --seed 4 --jobs 2", "table2"),
        (f"table1 --tasks '{' '.join(reversed(all_tasks('mini8')))}'", "table1"),
        ("table2 --protocol clean --attacks ta", "table2_clean_attacks-ta"),
        ("table2 --attacks 'ta ties@core'", "table2_attacks-ta-ties@core"),
        ("figure2 --tasks mnist,flags", "figure2_tasks-mnist-flags"),
        ("recovery --protections none", "recovery_protections-none"),
        ("table1 --set trap2.strength=0.1", "table1_set-trap2.strength-0.1"),
        ("table3 --train-precision bf16", "table3_train-bf16"),
        (f"table1 --plugin '{FEW_IMAGES}'", "table1"),
    ],
)
def test_names_say_what_is_not_the_default(name_of, words: str, name: str) -> None:
    assert name_of(f"mergebench {words}") == name


@pytest.mark.parametrize(
    "words",
    [
        "--attacks 'ta ties@full ties@knots ties@core dare_ties@full dare_ties@knots tsv@knots'",
        "--set trap2.strength=+1e-3 --set ties.top_k=+3",
    ],
)
def test_long_and_odd_names_end_in_a_hash(name_of, words: str) -> None:
    name = name_of(f"mergebench table2 {words}")
    assert re.fullmatch(r"table2_(attacks|set)-[A-Za-z0-9._@-]{,60}-[0-9a-f]{8}", name)
    assert name == name_of(f"mergebench table2 {words}")


def test_all_tasks_are_those_of_the_suite() -> None:
    assert all_tasks("mini8") == load_suite("mini8").task_names
    assert len(all_tasks("vision8")) == 8
