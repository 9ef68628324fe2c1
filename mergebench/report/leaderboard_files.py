"""The leaderboard as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mergebench.measure import BOUNDS, Context, Level, Measurements
from mergebench.report.captions import latex_caption, latex_comment, markdown_caption
from mergebench.report.doubts import listed
from mergebench.report.estimates import estimate_columns
from mergebench.report.labels import FORM_IN_TITLE, protection_key
from mergebench.report.latex import escape, text_table
from mergebench.report.leaderboard import Leaderboard, Standing, leaderboard
from mergebench.report.leaderboard_figure import write_leaderboard_figure
from mergebench.report.leaderboard_targets import write_targets
from mergebench.report.leaderboard_text import (
    ACCURACIES,
    BOUNDED_HEADINGS,
    GAINS,
    HEADINGS,
    bounded_rows,
    bounded_sentence,
    cells,
    sentences,
)
from mergebench.report.markdown import markdown_text, pipe_table
from mergebench.report.spread import fixed
from mergebench.report.writing import write_csv, write_text

_DIGITS = 2
_BOUNDED_ENDS = ("", "_low_95", "_high_95", "_others", "_none")


def write_leaderboard(
    measurements: Measurements,
    folder: Path,
    stem: str,
    *,
    levels: Sequence[Level],
    yardsticks: Sequence[str],
    version: int,
) -> list[Path]:
    """Write the leaderboard as Markdown, CSV and LaTeX, every target's choices, and the figure.

    `version`: of the standard set.
    Returns the files. Raises `InputError` when one cannot be written.
    """
    board, context = leaderboard(measurements, levels, yardsticks), measurements.context
    return [
        write_text(folder / f"{stem}.md", _markdown(board, context, version)),
        _write_csv(folder / f"{stem}.csv", board, context, version),
        write_text(folder / f"{stem}.tex", _latex(board, context, stem)),
        write_targets(folder / f"{stem}_targets.csv", board, context, version),
        *write_leaderboard_figure(board, context, folder, stem),
    ]


def _markdown(board: Leaderboard, context: Context, version: int) -> str:
    rows = (cells(board, one) for one in board.standings)
    safe = [[markdown_text(cell) for cell in row] for row in rows]
    table = pipe_table(HEADINGS, safe)
    said = "".join(f"- {markdown_text(one)}\n" for one in sentences(board, context.inputs))
    return (
        f"# Leaderboard, worst case {version}{FORM_IN_TITLE[context.release]}\n\n{table}\n{said}\n"
        f"{_bounded_markdown(board)}"
        f"## How it came about\n\n{markdown_caption(context)}"
    )


def _bounded_markdown(board: Leaderboard) -> str:
    rows = [[markdown_text(cell) for cell in row] for row in bounded_rows(board)]
    if not rows:
        return ""
    said = markdown_text(bounded_sentence(board))
    return f"## Theft at bounded cost\n\n{pipe_table(BOUNDED_HEADINGS, rows)}\n{said}\n\n"


def _latex(board: Leaderboard, context: Context, stem: str) -> str:
    """Return gains, accuracies, which one page is too narrow for beside them, and thefts."""
    label = f"tab:{context.backbone}-{stem}"
    lines = [cells(board, standing) for standing in board.standings]
    main = text_table(
        (*HEADINGS[:2], *HEADINGS[GAINS]),
        [(*line[:2], *line[GAINS]) for line in lines],
        caption=f"{escape(' '.join(sentences(board, context.inputs)))} {latex_caption(context)}",
        label=label,
    )
    main += text_table(
        (*HEADINGS[:2], *HEADINGS[ACCURACIES]),
        [(*line[:2], *line[ACCURACIES]) for line in lines],
        caption="Mean test accuracies in percent of the same merges.",
        label=f"{label}-accuracies",
    )
    rows = bounded_rows(board)
    second = text_table(
        BOUNDED_HEADINGS, rows, caption=escape(bounded_sentence(board)), label=f"{label}-theft"
    )
    return latex_comment(context) + main + (second if rows else "")


def _write_csv(file: Path, board: Leaderboard, context: Context, version: int) -> Path:
    estimates = ("gain", "gain_target", "gain_others", "denied", "denied_target")
    header = [
        *("worst_case", "backbone", "release", "protection", "knowledge", "data"),
        *("alone", "alone_cost", "alone_cost_low_95", "alone_cost_high_95"),
        *("target", "others", "all", "left_out_target", "left_out_others", "left_out_all"),
        *(f"{name}{end}" for name in estimates for end in ("", "_low_95", "_high_95")),
        *(f"theft_{bound}{end}" for bound in BOUNDS for end in _BOUNDED_ENDS),
        *("targets", "seeds", "attacks", "not_run", "flags"),
    ]
    rows = []
    for one in board.standings:
        gain = one.gain
        own, left = one.accuracies, board.left_out
        found = (gain.overall, gain.target, gain.others, gain.denied, gain.denied_target)
        rows.append(
            [
                *(version, context.backbone, context.release, protection_key(one.protection)),
                *(one.level.knowledge, one.level.data),
                fixed(board.alone.get(one.protection), _DIGITS),
                *estimate_columns(board.cost_alone.get(one.protection)),
                *(fixed(value, _DIGITS) for value in (own.target, own.others, own.overall)),
                *(fixed(value, _DIGITS) for value in (left.target, left.others, left.overall)),
                *(text for estimate in found for text in estimate_columns(estimate)),
                *(text for bound in BOUNDS for text in _bounded(one, bound)),
                len(board.targets),
                " ".join(map(str, context.seeds)),
                " ".join(f"{name}:{count}" for name, count in sorted(one.chosen.items())),
                " ".join(name for left_out in one.not_run for name in left_out.attacks),
                listed(one.flags),
            ]
        )
    return write_csv(file, header, rows)


def _bounded(standing: Standing, bound: int) -> list[str]:
    """Return what stands under `_BOUNDED_ENDS`; empty where theft was not measured."""
    found = standing.bounded.get(bound)
    if found is None:
        return [""] * len(_BOUNDED_ENDS)
    return [*estimate_columns(found.target), fixed(found.others.value, _DIGITS), str(found.none)]
