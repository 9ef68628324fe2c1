"""Which rows of counts a number of a table is the mean of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from mergebench.measure import UNPROTECTED
from mergebench.report.labels import protection_key
from mergebench.report.leaderboard_places import TAKEN
from mergebench.report.sheet import Sheet, number

KEYS = ("row", "attack", "space", "protection", "knowledge", "data")
"""Columns that say which model or merges a row is about."""

_MEANS = {
    **dict.fromkeys(("accuracy", "average", "target"), "accuracy"),
    "others_accuracy": "others_accuracy",
    "all_accuracy": "all_accuracy",
    "alpha_mean": "alpha",
}
"""Columns that are means of what the rows of counts have in a column."""

_PROTECTED = {"target": "accuracy", "others": "others_accuracy"}
"""The same of the columns that a ranking of mergers has of each protection, after its name."""


@dataclass(frozen=True, kw_only=True)
class Mean:
    """`about`: the keys that its rows share; `column`: what of them; `places`: of these rows."""

    about: Mapping[str, str]
    column: str
    places: tuple[int, ...]


def mean_of(row: Mapping[str, str], column: str, counted: Sheet) -> Mean | None:
    """Return of which rows of `counted` the number in that row and column is the mean.

    None where it is something else: by the column's name, because a target and seed would count
    twice, or because the mean of these rows is another number than the printed one.
    """
    about = {key: row[key] for key in KEYS if key in row and key in counted.columns}
    task = column if "task" in counted.columns and column in counted.values("task") else None
    whose = "accuracy" if task else _MEANS.get(column)
    if "protection" in counted.columns and "protection" not in row:  # a ranking of mergers
        protection, whose = _protected(column, counted) or (protection_key(UNPROTECTED), whose)
        about["protection"] = protection
    if whose is None or row.get("point", TAKEN) != TAKEN:
        return None
    places = tuple(
        place
        for place, other in enumerate(counted.rows)
        if all(other[key] == text for key, text in about.items())
        and task in (None, other.get("task"))
    )
    parts = [counted.rows[place] for place in places]
    single = {(one.get("target", one.get("task")), one["seed"]) for one in parts}
    if len(single) < len(parts) or not _is_mean(row[column], parts, whose):
        return None
    return Mean(about=about, column=whose, places=places)


def accuracy(row: Mapping[str, str]) -> float | None:
    """Return the accuracy that a row's counts give, in percent; None where it has no counts."""
    correct, total = number(row["correct"]), number(row["total"])
    return 100 * correct / total if correct is not None and total else None


def _protected(column: str, counted: Sheet) -> tuple[str, str] | None:
    """Return whose column of a ranking this is, and of what it is the mean."""
    return next(
        (
            (protection, whose)
            for protection in dict.fromkeys(counted.values("protection"))
            for what, whose in _PROTECTED.items()
            if column == f"{protection}_{what}"
        ),
        None,
    )


def _is_mean(text: str, parts: list[Mapping[str, str]], column: str) -> bool:
    """Whether the parts' mean is the printed number, as far as either was rounded."""
    exact = column == "accuracy"
    values = [accuracy(part) if exact else number(part.get(column, "")) for part in parts]
    stated = [value for value in values if value is not None]
    printed = number(text)
    if printed is None or not stated or len(stated) < len(values):
        return False
    half = 0.5 * 10.0 ** -len(text.partition(".")[2])
    tolerance = (half if exact else 2 * half) + 1e-9  # half a digit printed is there as a float
    return abs(fmean(stated) - printed) <= tolerance
