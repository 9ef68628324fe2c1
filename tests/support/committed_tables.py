"""Committed tables, copied and damaged, and what `verify` checks of them before it measures."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from repository import ROOT

from mergebench.commands.runs.stated_commands import Places, stated_plan, stated_setting
from mergebench.verification import StatedTable, check_complete, check_numbers, read_tables

RESULTS = ROOT / "results"
BACKBONES = ("mini_vit", "mini_convnext", "minilm")
Rows = list[dict[str, str]]


def check(table: StatedTable) -> None:
    """Check what a table states against its command, and its numbers against its counts."""
    plan = stated_plan(table.facts["Command"], table.file, places=Places())
    check_complete(table, plan.experiment, plan.levels, open_ended=plan.open_ended)
    check_numbers(table, plan.experiment)


def check_folder(folder: Path) -> int:
    """Check all tables in a folder; return how many there are."""
    tables = read_tables(folder, stated_setting)
    for table in tables:
        check(table)
    return len(tables)


def copied(stem: str, folder: Path, ends: Sequence[str] = (".md", ".csv", "_targets.csv")) -> Path:
    """Copy the files of one table of `results`, as `<backbone>/<table>`; return the folder."""
    for end in ends:
        shutil.copy(RESULTS / f"{stem}{end}", folder)
    return folder


def edit_rows(file: Path, edited: Callable[[Rows], Rows]) -> None:
    """Write a CSV file again with other rows."""
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    with file.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(edited(rows))


def edit_text(file: Path, old: str, new: str) -> None:
    """Replace what stands in a file the first time, and has to."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
