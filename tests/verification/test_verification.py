"""Committed tables measured again: silent when they come out, loud when they do not."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from miniature import FEW_IMAGES, LITTLE, PROTOCOL
from repository import ROOT

from attacks.ties import Ties
from mergebench.cli import main
from mergebench.commands.runs import experiments, verifying
from mergebench.device import processor_name
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.store import Store
from mergebench.measure.measurements import Context
from mergebench.report.captions import facts, markdown_caption, stated_facts
from mergebench.verification import read_tables

RESULTS = ROOT / "results"
TABLE1 = "table1_tasks-mnist-fashion"
TABLE2 = f"table2{TABLE1.removeprefix('table1')}_attacks-ta-ties@core-weighted_sum"


@pytest.fixture(scope="module", autouse=True)
def _few_images() -> Iterator[None]:
    """Let the command measure on few images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments, "get_setting", lambda name: LITTLE)
        patch.setattr(experiments, "get_protocol", lambda name: PROTOCOL)
        yield


def run(*words: object) -> int:
    """Return the exit status that the command has in a new process."""
    experiment_module._workbench.cache_clear()
    return main([*map(str, words)])


def verify(*words: object) -> int:
    """Return the exit status of `verify`; captions name the plug-in, not where it lies."""
    return run("verify", *words, "--plugin", FEW_IMAGES)


@pytest.fixture(scope="module")
def committed(tmp_path_factory) -> Path:
    """Tables of few images as a project would commit them; their store is beside them."""
    root = tmp_path_factory.mktemp("committed")
    folders = ["--results", root, "--store", root / "runs", "--plugin", FEW_IMAGES]
    words = ["--tasks", "mnist fashion", *folders]
    assert run("table1", *words) == 0
    assert run("table2", "--attacks", "ta ties@core weighted_sum", *words) == 0
    return root / "mini_vit"


@pytest.fixture
def copy(committed, tmp_path) -> Path:
    return Path(shutil.copytree(committed, tmp_path / "mini_vit"))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def change_counts(folder: Path, images: int) -> None:
    """State more correct images for the merge of TIES with a protected target mnist."""
    file = folder / f"{TABLE2}_targets.csv"
    frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    row = (frame["protection"] == "trap2") & (frame["attack"] == "ties")
    row &= frame["target"] == "mnist"
    assert row.sum() == 1
    for column in ("correct", "mnist_correct"):
        frame.loc[row, column] = (frame.loc[row, column].astype(int) + images).astype(str)
    frame.to_csv(file, index=False)


def test_unchanged_tables_come_out_again_in_a_new_store(committed, capsys):
    assert verify(committed, "--cells", 5) == 0
    shown = capsys.readouterr().out
    assert "5 cells, " in shown
    assert ", 0 not; cells beyond the tolerance: 0." in shown
    assert "there" not in shown, "this is the environment of the tables"


def test_the_commands_of_the_captions_write_the_same_bytes(committed, tmp_path, capsys):
    for caption in sorted(committed.glob("*.md")):
        command = shlex.split(stated_facts(caption.read_text())["Command"])
        folders = ["--store", committed.parent / "runs", "--results", tmp_path]
        command[command.index("--plugin") + 1] = str(FEW_IMAGES)
        assert run(*command[1:], *folders) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if " recalled in " in line]
    assert len(lines) == 5
    assert all(": 0 measured, " in line for line in lines)
    files = {file.name: file.read_bytes() for file in committed.iterdir()}
    assert len(files) == 8
    assert {file.name: file.read_bytes() for file in (tmp_path / "mini_vit").iterdir()} == files


def test_a_changed_count_is_found_and_named(committed, copy, capsys, monkeypatch):
    change_counts(copy, 3)
    assert verify(copy) == 2
    assert "column accuracy: " in capsys.readouterr().err
    # As if all that follows from the count had been changed with it.
    monkeypatch.setattr(verifying, "check_numbers", lambda table, experiment: None)
    words = [copy, "--cells", 100, "--store", committed.parent / "runs"]
    assert verify(*words) == 1
    shown = capsys.readouterr().out
    assert ", 1 not; cells beyond the tolerance: 1." in shown
    (line,) = (line for line in shown.splitlines() if "-3" in line)
    assert "ties@core of mnist trap2" in line
    assert verify(*words, "--tolerance", 2) == 1
    assert verify(*words, "--tolerance", 3) == 0


def test_a_changed_rule_is_found(committed, tmp_path, monkeypatch, capsys):
    runs = Path(shutil.copytree(committed.parent / "runs", tmp_path / "runs"))
    for one in Store(runs / "cells").cells():  # the updates are kept, so that this takes seconds
        if one.inputs.attack is not None and one.inputs.attack.name == "ties":
            (runs / "cells" / f"{one.key}.json").unlink()
    combine = Ties.combine
    monkeypatch.setattr(Ties, "combine", lambda self, stack, site: -99 * combine(self, stack, site))
    assert verify(committed, "--cells", 100, "--store", runs) == 1
    shown = capsys.readouterr().out
    assert "merges: 3 measured, 6 recalled" in shown
    failed = {line.split(" of ")[0].strip("│ ") for line in shown.splitlines() if "-" in line[-14:]}
    assert failed == {"ties@core"}


def test_other_inputs_are_a_failure_before_anything_is_measured(copy, tmp_path, capsys):
    stated = stated_facts((copy / f"{TABLE2}.md").read_text())["Suite"]
    edit(copy / f"{TABLE2}.md", stated, "few (sha256 0000)")
    store = tmp_path / "runs"
    assert verify(copy, "--cells", 100, "--store", store) == 1
    shown = capsys.readouterr().out
    assert f"{TABLE2}_targets.csv: Suite is few (sha256 0000) there" in shown
    assert "Nothing was measured" in shown
    assert [*(store / "cells").iterdir()] == []


def test_another_environment_is_said(committed, copy, capsys):
    versions = stated_facts((copy / f"{TABLE1}.md").read_text())["Versions"]
    torch = next(part for part in versions.split(", ") if part.startswith("torch "))
    edit(copy / f"{TABLE1}.md", torch, "torch 1.0")
    edit(copy / f"{TABLE1}.md", "fp32 on cpu", "fp32 on cuda")
    words = [copy, "--cells", 100, "--store", committed.parent / "runs"]
    assert verify(*words) == 0
    shown = capsys.readouterr().out
    assert f"{TABLE1}_tasks.csv: torch is 1.0 there, " in shown
    assert f"{TABLE1}_tasks.csv: Precision is fp32 on cuda (" in shown
    assert f" there, fp32 on cpu ({processor_name()}) here." in shown
    assert "--tolerance INPUTS" in shown
    assert f"{TABLE2}_targets.csv: torch" not in shown


def test_a_table_that_contradicts_itself_is_refused(copy, capsys):
    lines = (copy / f"{TABLE2}_targets.csv").read_text().splitlines()
    place = lines[0].split(",").index("correct")
    words = lines[1].split(",")
    words[place] = str(int(words[place]) + 1)
    edit(copy / f"{TABLE2}_targets.csv", lines[1], ",".join(words))
    assert verify(copy) == 2
    error = capsys.readouterr().err
    assert f"{TABLE2}_targets.csv: line 2 states other counts of " in error
    assert error.count("\n") == 1


def test_tables_of_other_commands_are_said_not_to_be_verified(committed, copy, capsys):
    edit(copy / f"{TABLE2}.md", "mergebench table2", "mergebench replay --rule target")
    words = [copy, "--cells", 100, "--store", committed.parent / "runs"]
    assert verify(*words) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"{TABLE2}_targets.csv is not verified: it was made by `mergebench replay " in shown
    assert "5 cells, " in shown
    edit(copy / f"{TABLE1}.md", "mergebench table1", "mergebench replay")
    assert verify(*words) == 2
    assert "has no table that can be verified" in capsys.readouterr().err


def test_a_task_that_the_command_does_not_measure_is_refused(copy, capsys):
    file = copy / f"{TABLE2}_targets.csv"
    frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    frame.assign(fashoin_correct="7").to_csv(file, index=False)
    assert verify(copy) == 2
    assert "does not measure the task fashoin" in capsys.readouterr().err


def test_a_line_that_the_command_measures_and_the_table_lacks_is_named(copy, capsys):
    edit(copy / f"{TABLE1}_tasks.csv", "trap2,fashion,", "trap2,fashoin,")
    assert verify(copy) == 2
    error = capsys.readouterr().err
    assert "1 line that its command measures, lacking: row trap2, task fashion, seed 0" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("- Command:", "- Order:", f"{TABLE2}.md has no caption that states its command"),
        (
            "--tasks",
            "--task",
            f"{TABLE2}.md: unknown option --task; did you mean --tasks? see",
        ),
        ("mnist fashion", "mnist fashoin", f"{TABLE2}.md: unknown task 'fashoin'"),
    ],
)
def test_a_caption_that_does_not_help_is_said(copy, capsys, old, new, message):
    edit(copy / f"{TABLE2}.md", old, new)
    assert verify(copy, "--cells", 100) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--data-root", "."], ["--cache", "."], ["--partial"]])
def test_options_of_data_are_handed_on(committed, capsys, words):
    """These tables are of data that come with the package, so that there is nothing to look for."""
    assert verify(committed, *words) == 2
    message = f"{words[0]}: the data of suite few come with mergebench; leave it out"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent"], "no folder absent"),
        (["."], "no table of counts"),
    ],
)
def test_misuse_is_one_line(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert run("verify", *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("backbone", "merges"), [("mini_vit", 351), ("mini_convnext", 351)])
def test_the_committed_tables_can_be_read(backbone, merges):
    counts = {table.file.name: table for table in read_tables(RESULTS / backbone)}
    assert len(counts["table1_tasks.csv"].cells) == 3 + 2 * 8 * 3
    assert len(counts["table2_targets.csv"].cells) == merges
    # Eight targets: fine-tuning of W0 and of the unprotected merge, and six attacks on Trap².
    from_base = [cell for cell in counts["table5_targets.csv"].cells if cell.from_base]
    assert (len(counts["table5_targets.csv"].cells), len(from_base)) == (5 + 8 + 6 * 8 + 8, 8)
    for table in counts.values():
        names = [(cell.name, cell.seed) for cell in table.cells]
        assert len(set(names)) == len(names)
        assert table.facts["Command"].startswith(f"mergebench {table.file.name[:6]}")
        sizes = {size for cell in table.cells for size in cell.sizes.values()}
        assert sizes == {1000}


def test_captions_can_be_read_back():
    context = Context(
        command="mergebench table2 --tasks 'mnist flags'",
        date="2026-01-02",
        backbone="b",
        backbone_sha256="1" * 64,
        suite="s",
        suite_sha256="2" * 64,
        tasks=("x",),
        protocol="paper",
        seeds=(0, 1),
        precision="bf16",
        device="cpu",
        versions={"torch": "2", "timm": "not installed"},
        revisions=("abc",),
        notes=("First.", "Second."),
    )
    stated = stated_facts(f"# Title\n\n- Mean: 3.\n\n{markdown_caption(context)}")
    assert stated == {what: value for what, value in facts(context) if what != "Note"}
