"""Tables of merges (2, 4 and 5 of the paper) as files."""

from __future__ import annotations

from pathlib import Path

from mergebench.measure import Context, Measurements
from mergebench.report.beside_paper import BesidePaper, beside_merged
from mergebench.report.captions import latex_caption, latex_comment, markdown_caption
from mergebench.report.comparison import Comparison
from mergebench.report.doubts import listed
from mergebench.report.estimates import interval_columns
from mergebench.report.grid import markdown_table
from mergebench.report.labels import FORM_IN_TITLE, MERGE_TABLES, protection_key
from mergebench.report.latex import escape, latex_table
from mergebench.report.markdown import code_span, markdown_text
from mergebench.report.merged_accuracies import MergedCell, Table2
from mergebench.report.spread import fixed
from mergebench.report.table2 import table2
from mergebench.report.table2_text import (
    SUBJECT,
    accuracy_grid,
    alpha_grid,
    coefficient,
    collateral_grid,
    mark_legend,
    reading,
)
from mergebench.report.targets_csv import write_targets
from mergebench.report.writing import write_csv, write_text

CSV_DIGITS = 2
PAPER_COLUMNS = (
    *("backbone", "release", "protection", "attack", "space"),
    *("accuracy", "zero_shot"),
)


def write_table2(
    measurements: Measurements, folder: Path, stem: str = "table2", *, number: int | None = None
) -> list[Path]:
    """Write a table of merges as Markdown, CSV and LaTeX, and every merge as `<stem>_targets.csv`.

    `number` is that of the paper's table; None: 2 for LoRA, 4 for full fine-tuning. Where it has
    the backbone, its numbers stand beside ours. Returns the files. Raises `InputError` when one
    cannot be written.
    """
    table = table2(measurements)
    context = measurements.context
    number = number or MERGE_TABLES[context.release]
    beside = beside_merged(context, table, number)
    return [
        write_text(folder / f"{stem}.md", _markdown(table, context, number, beside)),
        _write_cells(folder / f"{stem}.csv", table, context),
        write_text(
            folder / f"{stem}.tex", _latex(table, context, stem) + beside.latex(context, stem)
        ),
        write_targets(folder / f"{stem}_targets.csv", table, context),
        *beside.files(folder, context, stem),
    ]


def _markdown(table: Table2, context: Context, number: int, beside: BesidePaper) -> str:
    sentences = "".join(
        f"- {markdown_text(sentence)}\n" for sentence in reading(table, context.protocol)
    )
    return (
        f"# Table {number}: accuracy on the target after merging"
        f"{FORM_IN_TITLE[context.release]}, protocol {code_span(context.protocol)}\n\n"
        f"{markdown_table(accuracy_grid(table))}\n"
        f"{sentences}\n"
        f"{beside.markdown()}"
        "## The other tasks\n\n"
        "Mean test accuracy in percent over the tasks other than the target, and over all tasks, "
        "of the same merges.\n\n"
        f"{markdown_table(collateral_grid(table))}\n"
        "## The chosen merging coefficient\n\n"
        "α chosen on validation, mean over targets and seeds.\n\n"
        f"{markdown_table(alpha_grid(table))}\n"
        "## How it came about\n\n"
        f"{markdown_caption(context)}"
    )


def _latex(table: Table2, context: Context, stem: str) -> str:
    grid = accuracy_grid(table)
    letters = ("F, K, C: the spaces Full, KnOTS and Core.",)
    spaces = letters if any(column.name for column in grid.columns) else ()
    sentences = " ".join(
        (SUBJECT, *spaces, *coefficient(table, context.protocol), *mark_legend(table))
    )
    caption = f"{escape(sentences)} {latex_caption(context)}"
    return latex_comment(context) + latex_table(
        grid, caption=caption, label=f"tab:{context.backbone}-{stem}"
    )


def _write_cells(file: Path, table: Table2, context: Context) -> Path:
    header = [
        *PAPER_COLUMNS,
        *("others_accuracy", "all_accuracy", "accuracy_std", "half_width_95"),
        *("alpha_mean", "targets", "seeds", "correct", "total", "protocol"),
        *("low_95", "high_95", "difference", "difference_low_95", "difference_high_95"),
        *("mcnemar_p", "significant", "warnings"),
    ]
    rows = [
        [
            *(context.backbone, context.release, protection_key(name), *column),
            *_numbers(cell, table),
            context.protocol,
            *interval_columns(cell.interval),
            *_compared(table.comparisons.get((name, column))),
            listed(cell.warnings),
        ]
        for (name, column), cell in table.cells.items()
        if cell is not None
    ]
    return write_csv(file, header, rows)


def _numbers(cell: MergedCell, table: Table2) -> list[object]:
    return [
        fixed(cell.target.mean, CSV_DIGITS),
        fixed(table.zero_shot, CSV_DIGITS),
        fixed(cell.others.mean if cell.others else None, CSV_DIGITS),
        fixed(cell.overall.mean if cell.overall else None, CSV_DIGITS),
        fixed(cell.target.std, CSV_DIGITS),
        fixed(cell.half_width, CSV_DIGITS),
        fixed(cell.alpha, 4),
        len(table.targets),
        " ".join(map(str, cell.target.seeds)),
        cell.correct,
        cell.total,
    ]


def _compared(comparison: Comparison | None) -> list[object]:
    if comparison is None:
        return [""] * 5
    p_value = comparison.p_value
    return [
        fixed(comparison.difference, CSV_DIGITS),
        *interval_columns(comparison.interval),
        "" if p_value is None else f"{p_value:.3g}",
        "yes" if comparison.significant else "no",
    ]
