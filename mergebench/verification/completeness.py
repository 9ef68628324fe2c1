"""Whether tables have the lines that their commands measure, for which nothing is loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from mergebench.errors import InputError, shown
from mergebench.experiment import Experiment, check_attack
from mergebench.measure import FROM_BASE, UNPROTECTED, ZERO_SHOT, Level
from mergebench.plurals import how_many
from mergebench.report import protection_key, release_key
from mergebench.verification.stated import COUNT, StatedTable

Line = tuple[str, ...]
"""What tells a line from the others, as text: what stands in the columns below."""

_STANDALONE: Line = ("row", "task", "seed")
_MERGES: Line = ("protection", "attack", "space", "target", "seed")
_PICKS: Line = ("protection", "knowledge", "data", "target", "seed")
_ATTACK: Line = ("attack", "space")
_SHOWN = 3


def check_complete(
    table: StatedTable, experiment: Experiment, levels: Sequence[Level], *, open_ended: bool = False
) -> None:
    """Check that a table has the lines and tasks that `experiment`, of its command, measures.

    `levels`: of a leaderboard, none for other tables. `open_ended`: whether the command takes every
    attack that there is; one of which a table has no line at all then came later. Raises
    `InputError` naming the file and how many lines are lacking, or are of something else, with the
    first of them.
    """
    tasks = experiment.task_names
    if levels:
        columns, lines = _PICKS, _picks(experiment, levels, tasks)
    elif experiment.attacks:
        columns, lines = _MERGES, _merges(experiment, tasks)
    else:
        columns, lines = _STANDALONE, _standalone(experiment, tasks)
    _check_columns(table, columns, () if columns == _STANDALONE else tasks)
    measured = Counter(lines)
    if open_ended:
        known = {tuple(row[column] for column in _ATTACK) for row in table.sheet.rows}
        places = [columns.index(column) for column in _ATTACK]
        measured = Counter(
            line for line in measured.elements() if tuple(line[at] for at in places) in known
        )
    stated = Counter(tuple(row[column] for column in columns) for row in table.sheet.rows)
    for lines_of, what in (
        (measured - stated, "that its command measures, lacking"),
        (stated - measured, "beyond what its command measures"),
    ):
        found = [*lines_of.elements()]
        if found:
            first = "; ".join(_text(columns, line) for line in found[:_SHOWN])
            more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            raise InputError(f"{table.file}: {how_many(len(found), 'line')} {what}: {first}{more}")


def _check_columns(table: StatedTable, columns: Line, tasks: Sequence[str]) -> None:
    """Raise `InputError` unless the columns are there, and counts of just these tasks."""
    expected = [*columns, *(f"{task}{COUNT}" for task in tasks)]
    for column in expected:
        if column not in table.sheet.columns:
            raise InputError(f"{table.file} has no column {column}, which its command writes")
    for column in table.sheet.columns:
        if column.endswith(COUNT) and column not in expected:
            task = shown(column.removesuffix(COUNT))
            raise InputError(f"{table.file}: its command does not measure the task {task}")


def _standalone(experiment: Experiment, tasks: Sequence[str]) -> Iterator[Line]:
    for seed in experiment.seeds:
        for task in tasks:
            yield ZERO_SHOT, task, str(seed)
    for protection, task, seed in experiment.releases(tasks):
        yield release_key(protection), task, str(seed)


def _merges(experiment: Experiment, tasks: Sequence[str]) -> Iterator[Line]:
    """Yield a line for each target of a merge; one that is the same for all has one for each."""
    for name in experiment.attacks:
        attack, space = check_attack(name)
        for protection, target, seed in experiment.merges(name, tasks):
            for one in tasks if target is None else (target,):
                yield protection_key(protection), attack, space, one, str(seed)
                if protection == UNPROTECTED and experiment.starts_from_base(name):
                    yield FROM_BASE, attack, space, one, str(seed)


def _picks(experiment: Experiment, levels: Sequence[Level], tasks: Sequence[str]) -> Iterator[Line]:
    for level in levels:
        for protection in (UNPROTECTED, *experiment.protections):
            for target in tasks:
                for seed in experiment.seeds:
                    yield (
                        protection_key(protection),
                        level.knowledge,
                        level.data,
                        target,
                        str(seed),
                    )


def _text(columns: Line, line: Line) -> str:
    pairs = zip(columns, map(shown, line), strict=True)
    return ", ".join(f"{column} {text}" for column, text in pairs)
