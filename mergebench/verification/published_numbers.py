"""Whether the numbers that a table publishes are those of its own counts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import dropwhile, takewhile, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from mergebench.errors import InputError
from mergebench.experiment import Experiment
from mergebench.measure import (
    FROM_BASE,
    ZERO_SHOT,
    Context,
    Measurements,
    Merged,
    Standalone,
)
from mergebench.report import Sheet, read_sheet, write_mergers, write_table1, write_table2
from mergebench.terminal import printable
from mergebench.verification.leaderboard_numbers import leaderboard_contradictions, other_number
from mergebench.verification.stated import StatedCell, StatedTable, naming

_UNCOUNTED = frozenset(
    {
        *("zero_shot", "alpha", "options", "points", "alpha_mean"),
        *("only_unprotected", "only_protected", "mcnemar_p", "significant", "warnings"),
    }
)
"""Columns that counts do not tell: other tables' numbers, choices, and what is by input."""

_MARK = re.compile("<sup>[^<]*</sup>")
"""Letters of warnings, which counts do not tell either."""


def check_numbers(table: StatedTable, experiment: Experiment) -> None:
    """Check the numbers beside the counts and in the main CSV, and the main table in Markdown.

    They are written again from the counts, by the code that writes tables. Of a leaderboard and of
    mergers the CSV files are checked alone, and of the former what is a sum of counts or a mean of
    accuracies. `experiment`: as of `check_complete`, which is asked before. Raises `InputError`
    naming the file and the place of a number that is another.
    """
    stem = re.sub("_(tasks|targets)$", "", table.file.stem)
    main = table.file.with_name(f"{stem}.csv")
    sheets = [table.sheet, *([read_sheet(main)] if main.exists() else [])]
    sizes = _sizes(table)
    with naming(table.file):
        if "knowledge" in table.sheet.columns:
            found = [*leaderboard_contradictions(sheets, sizes)]
        else:
            found = [*_contradictions(_measurements(table, experiment, sizes), sheets, stem)]
    for text in found[:1]:
        raise InputError(f"{text}; write the table again")


def _sizes(table: StatedTable) -> dict[str, int]:
    """Return the test inputs by task; `InputError` where a table states none, or two numbers."""
    found: dict[str, int] = {}
    for cell in table.cells:
        for task, size in cell.sizes.items():
            if size < 1 or found.setdefault(task, size) != size:
                raise InputError(
                    f"{table.file} states {size} test inputs of {task}, and {found.get(task)} "
                    "elsewhere; write the table again"
                )
    return found


def _contradictions(measured: Measurements, sheets: Sequence[Sheet], stem: str) -> Iterator[str]:
    """Yield where the files of a table state other numbers than its counts make."""
    verb = measured.context.command.split()[1]
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if verb == "mergers":
            write_mergers(measured, folder, stem)
        elif measured.merged:
            write_table2(measured, folder, stem, number=int(verb.removeprefix("table")))
        else:
            write_table1(measured, folder, stem)
        for sheet in sheets:
            yield from _other_values(sheet, read_sheet(folder / sheet.file.name))
        if verb != "mergers":
            pair = sheets[0].file.with_name(f"{stem}.md"), folder / f"{stem}.md"
            yield from _other_lines(*pair, zero_shot=not measured.merged)


def _measurements(
    table: StatedTable, experiment: Experiment, sizes: Mapping[str, int]
) -> Measurements:
    """Return the counts of a table as what was measured; what they do not tell is made up."""
    context = Context(
        command=table.facts["Command"],
        date="",
        backbone=experiment.backbone,
        backbone_sha256="",
        suite="",
        suite_sha256="",
        tasks=experiment.task_names,
        protocol=experiment.protocol.name,
        seeds=experiment.seeds,
        precision="",
        device="",
        versions={},
        release=experiment.setting.release,
    )
    alone = tuple(
        Standalone(
            seed=cell.seed,
            release=cell.protection or ZERO_SHOT,
            task=task,
            correct=count,
            size=cell.sizes[task],
        )
        for cell in table.cells
        if not cell.attack
        for task, count in cell.correct.items()
    )
    merged = tuple(_merged(cell, sizes) for cell in table.cells if cell.attack)
    return Measurements(context=context, standalone=alone, merged=merged)


def _merged(cell: StatedCell, sizes: Mapping[str, int]) -> Merged:
    return Merged(
        seed=cell.seed,
        protection=FROM_BASE if cell.from_base else str(cell.protection),
        target=cell.target,
        attack=str(cell.attack),
        space=str(cell.space),
        alpha=1.0,
        options={},
        points=1,
        correct=cell.correct,
        sizes=sizes,
    )


def _other_values(stated: Sheet, made: Sheet) -> Iterator[str]:
    """Yield where a CSV file differs from what counts make of it, but for what they do not tell."""
    if len(stated.rows) != len(made.rows):
        yield f"{stated.file} has {len(stated.rows)} lines, and the counts make {len(made.rows)}"
    columns = [column for column in made.columns if column not in _UNCOUNTED]
    lacking = [column for column in columns if column not in stated.columns]
    if lacking:
        yield f"{stated.file} has no column {lacking[0]}"
        return
    for line, (row, again) in enumerate(zip(stated.rows, made.rows, strict=False), start=2):
        for column in columns:
            if row[column] != again[column]:
                yield other_number(stated, line, column, row[column], again[column])


def _other_lines(stated: Path, made: Path, *, zero_shot: bool) -> Iterator[str]:
    """Yield where the main table in Markdown has other numbers; `zero_shot`: in that line too."""
    here, again = (_main_table(file, zero_shot=zero_shot) for file in (stated, made))
    for row, expected in zip_longest(here, again, fillvalue="no line"):
        if row != expected:
            yield f"{stated}: `{row}` is stated, and the counts make `{expected}`"


def _main_table(file: Path, *, zero_shot: bool) -> list[str]:
    """Return the lines of the first table in a Markdown file, without marks."""
    lines = file.read_text(encoding="utf-8").splitlines()
    from_table = dropwhile(lambda line: not line.startswith("|"), lines)
    found = takewhile(lambda line: line.startswith("|"), from_table)
    kept = (line for line in found if zero_shot or not line.startswith("| zero-shot |"))
    return [printable(_MARK.sub("", line)) for line in kept]
