"""The leaderboard target by target: what was chosen, and its counts, as a CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mergebench.measure import BOUNDS, Context, Merged
from mergebench.report.doubts import listed, tally
from mergebench.report.labels import protection_key
from mergebench.report.leaderboard import Leaderboard, Standing
from mergebench.report.leaderboard_picks import Pick
from mergebench.report.writing import settings_text, write_csv

_PARTS = ("", "_others", "_all")
_COUNTS = (
    *("validated", "validation_total", "confirmed", "confirmation_total"),
    *("correct", "total"),
)
_BESIDE = ("left_out", "unprotected", *(f"theft_{bound}" for bound in BOUNDS))
"""What stands beside the merge of a line: other merges of the same target and seed."""


def write_targets(file: Path, board: Leaderboard, context: Context, version: int) -> Path:
    """Write a line per protection, level, target and seed; `version`: of the standard set.

    Correct inputs are those of the target, of the other tasks (`_others`) and of all (`_all`), and
    those of every task alone in the last columns; `validated` are of the inputs of searches,
    `confirmed` of all validation inputs. Columns of theft are empty where every mixture costs more.
    Returns the file. Raises `InputError` when it cannot be written.
    """
    header = [
        *("worst_case", "backbone", "release", "protection", "knowledge", "data"),
        *("target", "seed", "attack", "space", "alpha", "options", "points", "protocol"),
        *(f"{what}{part}" for what in _COUNTS for part in _PARTS),
        *(name for what in _BESIDE for name in _headings(what)),
        *(f"{task}_correct" for task in context.tasks),
        "warnings",
    ]
    rows = (
        [version, context.backbone, context.release, *_row(standing, pick, context)]
        for standing in board.standings
        for pick in standing.picks
    )
    return write_csv(file, header, rows)


def _headings(what: str) -> list[str]:
    chosen = [f"{column}_{what}" for column in ("attack", "space", "alpha", "options")]
    return [*chosen, *(f"correct_{what}{part}" for part in _PARTS)]


def _row(standing: Standing, pick: Pick, context: Context) -> Iterator[object]:
    merged, target = pick.taken, pick.target
    yield protection_key(standing.protection)
    yield from (standing.level.knowledge, standing.level.data, target, pick.seed)
    yield from _chosen(merged)
    yield from (merged.points, context.protocol)
    for counts in (
        *(merged.validated, merged.validation_sizes),
        *(merged.confirmed, merged.confirmation_sizes),
        *(merged.correct, merged.sizes),
    ):
        yield from _sums(counts, target)
    for other in (pick.left_out, pick.unprotected, *map(pick.thefts.get, BOUNDS)):
        if other is None:
            yield from [""] * len(_headings(""))
        else:
            yield from (*_chosen(other), *_sums(other.correct, target))
    yield from (merged.correct[task] for task in context.tasks)
    yield listed(tally(warning.kind for warning in merged.warnings))


def _chosen(merged: Merged) -> tuple[str, ...]:
    return merged.attack, merged.space, f"{merged.alpha:g}", settings_text(merged.options)


def _sums(counts: Mapping[str, int], target: str) -> tuple[int, int, int]:
    """Return the counts of the target, of the other tasks together, and of all of them."""
    every = sum(counts.values())
    return counts[target], every - counts[target], every
