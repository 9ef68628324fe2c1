"""Which columns of a CSV a page shows, under which names, and which it leaves to a note."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mergebench.report.labels import (
    attack_label,
    protection_label,
    release_label,
    space_label,
)
from mergebench.report.page import PageColumn
from mergebench.report.sheet import Sheet

LOW, HIGH, STD = "low_95", "high_95", "std"

_COUNT = "_correct"
_CONTEXT = (
    *("worst_case", "backbone", "release", "protocol", "seeds", "seed", "targets", "total"),
    *("zero_shot", "knowledge", "data"),
)
"""Columns that are said once where all rows have the same in them."""

_DETAILS = ("correct", "total", "points", "options", "half_width_95", "mcnemar_p", "images")
_NAMES = {
    "accuracy": "accuracy %",
    "others_accuracy": "other tasks %",
    "all_accuracy": "all tasks %",
    "zero_shot": "zero-shot",
    "alpha": "α",
    "alpha_mean": "mean α",
    "half_width_95": "± 95 % of test sets",
    "mcnemar_p": "McNemar p",
    "difference": "against unprotected",
    "row": "model",
    "alone_cost": "its cost",
    "gain_others": "damage",
}
_SEVERAL_WORDS = re.compile(
    r"(gain|denied|left_out|theft)_(target|others|all|\d+(_others|_none)?)|only_(un)?protected|\w+_per_class"
)
"""Names of columns that are words; those of tasks are shown as they are."""

_HINTS = {
    "accuracy": "on the target's task where updates are merged, and its 95 % interval",
    "others_accuracy": "mean over the tasks other than the target",
    "alpha": "merging coefficient, chosen on validation",
    "alpha_mean": "merging coefficient, chosen on validation",
    "warnings": "what makes the number doubtful",
}
_LABELS: Mapping[str, Callable[[str], str]] = {
    "attack": attack_label,
    "space": space_label,
    "protection": lambda name: protection_label("none" if name == "unprotected" else name),
    "row": lambda name: release_label("none" if name == "fine_tuned" else name),
}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A column of a CSV that is shown, and those that have the ends of its interval and its std."""

    name: str
    numeric: bool
    low: str | None = None
    high: str | None = None
    std: str | None = None
    heading: PageColumn


def label(column: str, text: str) -> str:
    """Return what readers call a value of that column."""
    labelled = _LABELS.get(column)
    return labelled(text) if labelled else text


def heading(column: str) -> str:
    """Return what readers call a column; a task's keeps its name."""
    counted = column.removesuffix(_COUNT)
    if counted != column:
        return f"{counted} correct"
    words = column.replace("_", " ") if _SEVERAL_WORDS.fullmatch(column) else column
    return _NAMES.get(column, words)


def shown_columns(sheet: Sheet) -> tuple[Shown, ...]:
    """Return the columns in their order, but for those that are empty or said in a note."""
    said = {column for column, _ in common(sheet)}
    taken = {name for column in sheet.columns for name in _attached(sheet, column).values()}
    return tuple(
        _shown(sheet, column)
        for column in sheet.columns
        if column not in said | taken and any(sheet.values(column))
    )


def common(sheet: Sheet) -> tuple[tuple[str, str], ...]:
    """Return the context that all rows share, as `(column, text)`."""
    if len(sheet.rows) < 2:
        return ()
    found = []
    for column in (one for one in _CONTEXT if one in sheet.columns):
        values = set(sheet.values(column))
        if len(values) == 1 and "" not in values:
            found.append((column, values.pop()))
    return tuple(found)


def _shown(sheet: Sheet, column: str) -> Shown:
    # A seed is a name: no one wants the mean of seeds, and "0 1 2" is one too.
    numeric = column not in ("seed", "seeds", "targets") and sheet.is_numeric(column)
    detail = column in _DETAILS or column.endswith(_COUNT) or column.startswith("only_")
    return Shown(
        name=column,
        numeric=numeric,
        heading=PageColumn(name=heading(column), hint=_HINTS.get(column, ""), detail=detail),
        **_attached(sheet, column),
    )


def _attached(sheet: Sheet, column: str) -> dict[str, str]:
    """Return the columns that belong to another one, by what they are of it."""
    found = {}
    for key, end in (("low", LOW), ("high", HIGH), ("std", STD)):
        if f"{column}_{end}" in sheet.columns:
            found[key] = f"{column}_{end}"
        elif column in ("accuracy", "ours") and end in sheet.columns:
            found[key] = end
    return found
