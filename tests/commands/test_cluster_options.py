"""What may be said about jobs of Slurm."""

from __future__ import annotations

import argparse

import pytest
from command_line import run

from mergebench.cluster import Request, Slurm
from mergebench.commands.cluster_options import SLURM_OPTIONS, add_executor_options
from mergebench.commands.parser import Parser
from mergebench.commands.runs import executing
from mergebench.commands.runs.executing import chosen_executor
from mergebench.commands.runs.experiments import caption_command


def read(*words: object, store: object = None) -> argparse.Namespace:
    parser = Parser(prog="mergebench")
    add_executor_options(parser)
    options = parser.parse_args([str(word) for word in words])
    options.store = store
    return options


def test_captions_do_not_say_where_a_table_was_measured():
    said = [word for name in SLURM_OPTIONS for word in (name, "x")]
    assert caption_command(["table2", "--executor", "slurm", *said, "--seeds", "3"]) == (
        "mergebench table2 --seeds 3"
    )


def test_all_options_are_listed_once():
    parser = Parser(prog="mergebench")
    add_executor_options(parser)
    names = [name for action in parser._actions for name in action.option_strings]
    assert {name for name in names if name.startswith("--slurm-")} == set(SLURM_OPTIONS)


def test_what_is_said_is_what_jobs_ask_for(monkeypatch, tmp_path):
    monkeypatch.setattr(executing, "require_slurm", lambda: None)
    words = "--executor slurm --slurm-partition gpu --slurm-gpus a100:1 --slurm-option qos=long"
    more = ["--slurm-setup", "module load cuda", "--slurm-setup", "hostname"]
    most = "--slurm-cells 8 --slurm-at-once 4 --slurm-interrupt leave"
    found = chosen_executor(read(*words.split(), *more, *most.split(), store=tmp_path))
    assert found == Slurm(
        request=Request(
            options=(("partition", "gpu"), ("gpus-per-node", "a100:1"), ("qos", "long")),
            setup=("module load cuda", "hostname"),
            at_once=4,
        ),
        folder=tmp_path / "slurm",
        cells=8,
        leave=True,
    )
    assert chosen_executor(read()) is None


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--slurm-time", "10"], "--slurm-time: jobs of Slurm are made with --executor slurm"),
        (["--executor", "slurm", "--slurm-option", "qos"], "'qos' is no NAME=VALUE"),
        (["--executor", "slrum"], "did you mean slurm?"),
        (["--executor", "slurm", "--slurm-cells", "0"], "'0' is no whole number from 1"),
        (["--executor", "slurm", "--slurm-account", ""], "account of --executor slurm is ''"),
        (
            ["--executor", "slurm", "--slurm-time", "10", "--slurm-option", "time=20"],
            "--slurm-option time=20: time is 10 already; give it once",
        ),
        (
            ["--executor", "slurm", "--slurm-gpus", "1", "--slurm-option", "gpus-per-node=2"],
            "--slurm-option gpus-per-node=2: gpus-per-node is 1 already; give it once",
        ),
        (
            ["--executor", "slurm", "--slurm-option", "qos=a", "--slurm-option", "qos=b"],
            "--slurm-option qos=b: qos is a already; give it once",
        ),
        (["--executor", "slurm", "--slurm-setup", "a\nb"], "--slurm-setup 'a\\nb': give one line"),
    ],
)
def test_wrong_words_are_refused_in_one_line(monkeypatch, tmp_path, capfd, words, line):
    monkeypatch.setattr(executing, "require_slurm", lambda: None)
    folders = ["--store", tmp_path / "store", "--results", tmp_path / "results"]
    assert run("table2", *words, *folders) == 2
    told = capfd.readouterr().err
    assert line in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_where_slurm_is_missing_nothing_begins(monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("table2", "--executor", "slurm", "--store", tmp_path / "store") == 2
    assert "no sbatch, srun, squeue, scancel on the PATH" in capfd.readouterr().err
    monkeypatch.setattr("mergebench.cluster.requirements.find_spec", lambda name: None)
    assert run("table2", "--executor", "slurm", "--store", tmp_path / "store") == 2
    assert "pip install 'mergebench[slurm]'" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
