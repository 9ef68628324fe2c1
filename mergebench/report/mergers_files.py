"""The ranking of mergers as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mergebench.measure import Context, Measurements
from mergebench.report.captions import latex_caption, latex_comment, markdown_caption
from mergebench.report.doubts import listed
from mergebench.report.estimates import estimate_columns
from mergebench.report.labels import FORM_IN_TITLE, protection_key
from mergebench.report.latex import escape, text_table
from mergebench.report.markdown import markdown_text, pipe_table
from mergebench.report.merged_accuracies import Table2
from mergebench.report.merger_ranking import RankedMerger, rank_mergers
from mergebench.report.mergers_text import cells, headings, sentences
from mergebench.report.spread import fixed
from mergebench.report.table2 import table2
from mergebench.report.targets_csv import write_targets
from mergebench.report.writing import write_csv, write_text

_DIGITS = 2


def write_mergers(measurements: Measurements, folder: Path, stem: str) -> list[Path]:
    """Write the ranking as Markdown, CSV and LaTeX, and every merge as `<stem>_targets.csv`.

    Returns the files. Raises `InputError` when one cannot be written.
    """
    table, context = table2(measurements), measurements.context
    ranked = rank_mergers(table)
    return [
        write_text(folder / f"{stem}.md", _markdown(table, ranked, context)),
        _write_csv(folder / f"{stem}.csv", ranked, context),
        write_text(folder / f"{stem}.tex", _latex(table, ranked, context, stem)),
        write_targets(folder / f"{stem}_targets.csv", table, context),
    ]


def _markdown(table: Table2, ranked: Sequence[RankedMerger], context: Context) -> str:
    lines = [[markdown_text(cell) for cell in cells(merger)] for merger in ranked]
    said = "".join(f"- {markdown_text(one)}\n" for one in sentences(table, ranked))
    return (
        f"# Mergers{FORM_IN_TITLE[context.release]}\n\n"
        f"{pipe_table([markdown_text(one) for one in _headings(ranked)], lines)}\n{said}\n"
        f"## How it came about\n\n{markdown_caption(context)}"
    )


def _latex(table: Table2, ranked: Sequence[RankedMerger], context: Context, stem: str) -> str:
    caption = f"{escape(' '.join(sentences(table, ranked)))} {latex_caption(context)}"
    return latex_comment(context) + text_table(
        _headings(ranked),
        [cells(merger) for merger in ranked],
        caption=caption,
        label=f"tab:{context.backbone}-{stem}",
    )


def _headings(ranked: Sequence[RankedMerger]) -> tuple[str, ...]:
    return headings(tuple(ranked[0].protected) if ranked else ())


def _write_csv(file: Path, ranked: Sequence[RankedMerger], context: Context) -> Path:
    protections = list(ranked[0].protected) if ranked else []
    header = [
        *("backbone", "release", "rank", "attack", "space", "all_accuracy"),
        *("low_95", "high_95", "behind", "behind_low_95", "behind_high_95", "alpha_mean"),
        "warnings",
        *(f"{protection_key(one)}_{what}" for one in protections for what in _GUARDED),
    ]
    rows = [
        [
            *(context.backbone, context.release, merger.rank, *merger.column),
            *estimate_columns(merger.kept),
            *estimate_columns(merger.behind),
            fixed(merger.alpha, 4),
            listed(merger.warnings),
            *(text for one in protections for text in _guarded(merger, one)),
        ]
        for merger in ranked
    ]
    return write_csv(file, header, rows)


_GUARDED = (
    *("rank", "target", "target_low_95", "target_high_95"),
    *("difference", "difference_low_95", "difference_high_95", "others"),
)


def _guarded(merger: RankedMerger, protection: str) -> list[str]:
    """Return what stands under `_GUARDED`; empty where not all was measured."""
    cell, against = merger.protected[protection], merger.comparisons[protection]
    place = merger.places[protection]
    others = None if cell is None or cell.others is None else cell.others.mean
    return [
        "" if place is None else str(place),
        *estimate_columns(None if cell is None else cell.estimate),
        *estimate_columns(None if against is None else against.estimate),
        fixed(others, _DIGITS),
    ]
