"""The make targets run what the captions of the committed tables say."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from repository import ROOT

from mergebench.cli import make_parser
from mergebench.commands.runs.experiments import caption_command
from mergebench.errors import InputError
from mergebench.report.captions import stated_facts

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def commands(*words: str) -> list[str]:
    """Return what make would run from the start, one line each."""
    environment = {"PATH": os.environ["PATH"]}  # variables of make are taken from it too
    shown = subprocess.run(
        ["make", "--dry-run", "--always-make", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return shown.stdout.replace("\\\n", " ").splitlines()


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
    last = shlex.split(commands(*target, f"BACKBONE={backbone}")[-1])
    assert Path(last[0]).name == "mergebench"
    caption = (ROOT / "results" / backbone / f"{table}.md").read_text()
    assert caption_command(last[1:]) == stated_facts(caption)["Command"]


@pytest.mark.parametrize(("backbone", "extras"), [("minilm", [".[text]"]), ("mini_vit", [])])
def test_what_a_backbone_needs_is_installed_before_it_runs(backbone, extras):
    *before, last = commands("table2", f"BACKBONE={backbone}")
    installed = [shlex.split(line)[-1] for line in before if "--editable" in line]
    assert installed == [".[dev]", *extras]
    assert "table2" in last


def test_tables_are_measured_by_jobs_of_slurm_if_asked():
    asked = ["EXECUTOR=slurm", "SLURM=--slurm-partition gpu --slurm-setup 'module load cuda'"]
    last = shlex.split(commands("table2", *asked)[-1])
    place = last.index("--executor")
    expected = ["slurm", "--slurm-partition", "gpu", "--slurm-setup", "module load cuda"]
    assert last[place + 1 : place + 6] == expected
    assert "--executor" not in commands("table2")[-1]


EVERYTHING = (
    *("PROTOCOL=paper-exact", "SEED=1", "SEEDS=2", "JOBS=3", "TASKS=mnist", "DEVICE=cpu"),
    *("PROTECTIONS=trap2", "WEIGHTS=w", "DATA_ROOT=d", "DATA=a b", "NAMES=n", "PARTIAL=1"),
    *("DROP_LEAKS=1", "SET=trap2.strength=1", "TRAIN_PRECISION=bf16", "STORE=s"),
    *("EXECUTOR=slurm", "SLURM=--slurm-gpus 1"),
)


@pytest.mark.parametrize(
    "target",
    [
        *("table1", "table2", "table3", "table4", "table5", "figure2", "detect", "doctor"),
        *("mergers", "scales", "recovery", "price", "replay", "leaderboard"),
    ],
)
def test_every_target_takes_what_can_be_said_to_all(target):
    last = shlex.split(commands(target, *EVERYTHING)[-1])
    options = make_parser().parse_args(last[1:])
    assert (options.verb, options.backbone, options.seeds) == (target, "mini_vit", 2)
    assert vars(options).get("jobs", 3) == 3


def test_a_table_that_merges_nothing_is_not_told_what_merges_for_nothing():
    line = shlex.split(commands("table1", "ATTACKS=ta")[-1])
    with pytest.raises(InputError, match="--attacks: nothing is merged here; leave it out"):
        make_parser().parse_args(line[1:])


def test_attacks_can_be_said_to_all_tables():
    shown = [shlex.split(line) for line in commands("tables", "ATTACKS=ta tsv")]
    options = [make_parser().parse_args(line[1:]) for line in shown if "--backbone" in line]
    assert {one.verb: vars(one).get("attacks") for one in options} == {
        **dict.fromkeys(("table1", "table3")),
        **dict.fromkeys(("table2", "table4", "table5"), "ta tsv"),
    }


def test_forms_of_a_protection_are_handed_on():
    forms = "params[attention=none,mlp=true] mergelock[kappa=10]"
    last = shlex.split(commands("table4", f"PROTECTIONS={forms}")[-1])
    assert last[last.index("--protections") + 1] == forms


def test_own_data_are_handed_on():
    last = shlex.split(commands("table1", "DATA=shapes signs", "NAMES=names.txt")[-1])
    assert [last[place + 1] for place, word in enumerate(last) if word == "--data"] == [
        "shapes",
        "signs",
    ]
    assert last[last.index("--names") + 1] == "names.txt"
    checked = shlex.split(commands("data-check", "DATA=shapes")[-1])
    assert checked[1:] == ["data", "check", "--data", "shapes"]


def test_verify_is_told_where_what_it_measures_lies():
    places = ["DATA_ROOT=x y", "WEIGHTS=w", "PARTIAL=1", "DATA=shapes", "NAMES=names.txt"]
    last = shlex.split(commands("verify", "BACKBONE=minilm", *places, "VERIFY=--cells 3")[-1])
    given = ["--weights", "w", "--data-root", "x y", "--partial", "--data", "shapes"]
    assert last[1:3] == ["verify", "results/minilm"]
    assert last[last.index("--weights") :] == [*given, "--names", "names.txt", "--cells", "3"]
    make_parser().parse_args(last[1:])
    assert "--weights" not in commands("verify")[-1]


def test_no_target_is_taken_for_a_file_of_its_name():
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    (phony,) = re.findall(r"^\.PHONY:(.*)$", text, flags=re.MULTILINE)
    targets = re.findall(r"^([a-z0-9-]+):.*## ", text, flags=re.MULTILINE)
    assert sorted(phony.split()) == sorted(targets)


def test_cleaning_keeps_what_was_measured_unless_that_is_said():
    (cleaned,) = commands("clean", "STORE=runs")
    assert ".venv" in cleaned
    assert "runs" not in cleaned
    (emptied,) = commands("clean-store", "STORE=kept")
    kept = [f"kept/{name}" for name in ("cells", "releases", "claims", "slurm")]
    assert emptied.split() == ["rm", "-rf", *kept]
