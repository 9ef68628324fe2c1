"""Whether the numbers of a leaderboard are those of its own counts, as far as these tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from mergebench.errors import shown
from mergebench.report import Sheet
from mergebench.verification.stated import COUNT

_STANDING = ("protection", "knowledge", "data")
_MEANS = ("target", "others", "all")


def other_number(sheet: Sheet, line: int, column: str, stated: str, made: str) -> str:
    """Return in words which number of a sheet is another than what counts make."""
    where = f"{sheet.file}: line {line}, column {column}"
    return f"{where}: {shown(stated)} is stated, and the counts make {shown(made)}"


def leaderboard_contradictions(sheets: Sequence[Sheet], sizes: Mapping[str, int]) -> Iterator[str]:
    """Yield where sums of counts, and means of accuracies in the main CSV, are others.

    `sheets`: the counts, and the main CSV if there is one; `sizes`: test inputs by task. Raises
    `ValueError` for what is no number, or not there.
    """
    counts, *mains = sheets
    standings: dict[tuple[str, ...], list[tuple[float, float, float]]] = {}
    for line, row in enumerate(counts.rows, start=2):
        for column, made in _sums(row, sizes):
            if row[column] != made:
                yield other_number(counts, line, column, row[column], made)
        standings.setdefault(_standing(row), []).append(_accuracies(row, sizes))
    for main in mains:
        for column in {*_STANDING, *_MEANS}.difference(main.columns):
            raise ValueError(f"{main.file.name} has no column {column}")
        found = [*map(_standing, main.rows)]
        if found != [*standings]:
            yield f"{main.file} has other standings than {counts.file.name}"
        for line, row in enumerate(main.rows, start=2):
            picks = zip(*standings.get(_standing(row), ()), strict=True)
            for column, values in zip(_MEANS, picks, strict=False):
                made = f"{fmean(values):z.2f}"
                if row[column] != made:
                    yield other_number(main, line, column, row[column], made)


def _standing(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(row[column] for column in _STANDING)


def _sums(row: Mapping[str, str], sizes: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield columns of a line with what follows for them from its other counts."""
    target = row["target"]
    for column, by_task in (("correct", _correct(row, sizes)), ("total", sizes)):
        every = sum(by_task.values())
        yield column, str(by_task[target])
        yield f"{column}_others", str(every - by_task[target])
        yield f"{column}_all", str(every)
    for column in row:
        parts = row.get(f"{column}_others", ""), row[column]
        if f"{column}_all" in row and any(parts):
            yield f"{column}_all", str(sum(int(part or 0) for part in parts))


def _correct(row: Mapping[str, str], sizes: Mapping[str, int]) -> dict[str, int]:
    return {task: int(row[f"{task}{COUNT}"]) for task in sizes}


def _accuracies(row: Mapping[str, str], sizes: Mapping[str, int]) -> tuple[float, float, float]:
    """Return the accuracy of a line on its target, the others and all tasks, in percent."""
    target = row["target"]
    by_task = {task: 100 * right / sizes[task] for task, right in _correct(row, sizes).items()}
    others = fmean(value for task, value in by_task.items() if task != target)
    return by_task[target], others, fmean(by_task.values())
