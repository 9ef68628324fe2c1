"""The tables in the terminal, turned so that they stay narrow: one row per task or column."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mergebench.measure import UNPROTECTED, Level, Measurements
from mergebench.report import mergers_text
from mergebench.report.beside_paper import BesidePaper, beside_merged, beside_standalone
from mergebench.report.captions import headline
from mergebench.report.doubts import marks
from mergebench.report.held_scales import held_scales, scale_grid, scale_reading
from mergebench.report.labels import (
    MERGE_TABLES,
    STANDALONE_TABLES,
    attack_label,
    protection_label,
    release_label,
    space_label,
)
from mergebench.report.leaderboard import Leaderboard, leaderboard
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
from mergebench.report.merged_accuracies import AttackInSpace, MergedCell, Table2, is_protected
from mergebench.report.merger_ranking import rank_mergers
from mergebench.report.price import price
from mergebench.report.price_text import cells as price_cells
from mergebench.report.price_text import headings
from mergebench.report.price_text import sentences as price_sentences
from mergebench.report.spread import MISSING, cell_text, fixed
from mergebench.report.standalone_accuracies import StandaloneRow
from mergebench.report.table1 import reading as reading_alone
from mergebench.report.table1 import table1
from mergebench.report.table2 import table2
from mergebench.report.table2_text import cell_marks, reading


def print_table1(measurements: Measurements, console: Console) -> None:
    """Print Table 1 (or 3), a row per task and a column per release, and the paper's numbers."""
    table = table1(measurements)
    shown = _table("task")
    for row in table.rows:
        shown.add_column(release_label(row.release), justify="right", no_wrap=True)
    for task in table.tasks:
        shown.add_row(task, *(_alone(row, task) for row in table.rows))
    shown.add_section()
    shown.add_row("average", *(cell_text(row.average) for row in table.rows), style="bold")
    context = measurements.context
    number = STANDALONE_TABLES[context.release]
    title = f"Table {number} · {headline(context, merging=False)}"
    console.print(Text(title, style="bold"))
    console.print(shown)
    console.print(Text(reading_alone(table), style="dim"))
    _print_beside(beside_standalone(measurements, table, number), console)


def print_leaderboard(
    measurements: Measurements, console: Console, levels: Sequence[Level], yardsticks: Sequence[str]
) -> None:
    """Print the leaderboard, accuracies above gains, a section per level, and how to read it."""
    board = leaderboard(measurements, levels, yardsticks)
    console.print(Text(f"Leaderboard · {headline(measurements.context)}", style="bold"))
    for columns in (ACCURACIES, GAINS):
        _print_standings(board, columns, console)
    for sentence in sentences(board, measurements.context.inputs):
        console.print(Text(sentence, style="dim"))
    _print_bounded(board, console)


def _print_standings(board: Leaderboard, columns: slice, console: Console) -> None:
    """Print some of the columns, behind protection and level."""
    shown = _table(*HEADINGS[:2])
    for heading in HEADINGS[columns]:
        shown.add_column(heading, justify="right", overflow="fold")
    level = None
    for standing in board.standings:
        if level not in (None, standing.level):
            shown.add_section()
        level = standing.level
        shown.add_row(*cells(board, standing)[:2], *cells(board, standing)[columns])
    console.print(shown)


def _print_bounded(board: Leaderboard, console: Console) -> None:
    rows = bounded_rows(board)
    if not rows:
        return
    shown = _table(*BOUNDED_HEADINGS[:2])
    for heading in BOUNDED_HEADINGS[2:]:
        shown.add_column(heading, justify="right", overflow="fold")
    for row in rows:
        shown.add_row(*row)
    console.print(shown)
    console.print(Text(bounded_sentence(board), style="dim"))


def print_mergers(measurements: Measurements, console: Console) -> None:
    """Print the ranking of mergers, and how to read it."""
    table = table2(measurements)
    ranked = rank_mergers(table)
    shown = _table(*mergers_text.headings(())[:3])
    for heading in mergers_text.headings(tuple(ranked[0].protected) if ranked else ())[3:]:
        shown.add_column(heading, justify="right", overflow="fold")
    for merger in ranked:
        shown.add_row(*mergers_text.cells(merger))
    console.print(Text(f"Mergers · {headline(measurements.context)}", style="bold"))
    console.print(shown)
    for sentence in mergers_text.sentences(table, ranked):
        console.print(Text(sentence, style="dim"))


def print_scales(measurements: Measurements, console: Console) -> None:
    """Print the scales at which merges hold the target's update, a row per attack and space."""
    held = held_scales(measurements)
    grid = scale_grid(held)
    shown = _table("attack", "space")
    for row in grid.rows:
        shown.add_column(row.label, justify="right", overflow="fold")
    rows = [[_marked(cell_text(v, grid.digits), m) for v, m in row.marked()] for row in grid.rows]
    for column, *values in zip(grid.columns, *rows, strict=True):
        shown.add_row(column.group, column.name, *values)
    console.print(Text(f"Scales · {headline(measurements.context)}", style="bold"))
    console.print(shown)
    console.print(Text(scale_reading(held), style="dim"))


def print_price(
    measurements: Measurements, console: Console, *, free: Level, yardsticks: Sequence[str]
) -> None:
    """Print the price of theft, a line per protection and kind of inputs, and how to read it."""
    table = price(measurements, free, yardsticks)
    names = headings(table)
    shown = _table(*names[:2])
    for heading in names[2:]:
        shown.add_column(heading, justify="right", overflow="fold")
    for curve in table.curves:
        shown.add_row(*price_cells(table, curve))
    console.print(Text(f"Price of theft · {headline(measurements.context)}", style="bold"))
    console.print(shown)
    for sentence in price_sentences(table, measurements.context.inputs):
        console.print(Text(sentence, style="dim"))


def print_table2(
    measurements: Measurements, console: Console, *, number: int | None = None
) -> None:
    """Print a table of merges by attack and space, how to read it, and the paper's numbers.

    `number` is that of the paper's table; None: 2 for LoRA, 4 for full fine-tuning.
    Per protection: accuracy on the target, its difference to unprotected, mean of the other tasks.
    """
    table = table2(measurements)
    shown = _table("attack", "space")
    accuracies = []
    for protection in table.protections:
        label = protection_label(protection)
        details = ("", " − unprotected", " others") if is_protected(protection) else ("",)
        for detail in details:
            shown.add_column(f"{label}{detail}", justify="right", overflow="fold")
            accuracies.append(not detail)
    if table.zero_shot is not None:
        zero_shot = fixed(table.zero_shot, 1)
        shown.add_row(
            "zero-shot", "", *(zero_shot if of_target else "" for of_target in accuracies)
        )
        shown.add_section()
    attack = None
    for column in table.columns:
        if attack not in (None, column[0]):
            shown.add_section()
        name = "" if column[0] == attack else attack_label(column[0])
        attack = column[0]
        numbers = (text for one in table.protections for text in _numbers(table, one, column))
        shown.add_row(name, space_label(column[1]), *numbers)
    number = number or MERGE_TABLES[measurements.context.release]
    console.print(Text(f"Table {number} · {headline(measurements.context)}", style="bold"))
    console.print(shown)
    for sentence in reading(table, measurements.context.protocol):
        console.print(Text(sentence, style="dim"))
    _print_beside(beside_merged(measurements.context, table, number), console)


def _print_beside(beside: BesidePaper, console: Console) -> None:
    if not beside:
        return
    grid, shown = beside.grid, _table("")
    for column in grid.columns:
        shown.add_column(column.heading, justify="right", no_wrap=True)
    for row in grid.rows:
        shown.add_row(row.label, *(cell_text(value) for value in row.values))
    console.print(shown)
    console.print(Text(beside.sentences, style="dim"))


def _table(*headings: str) -> Table:
    table = Table(header_style="")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table


def _alone(row: StandaloneRow, task: str) -> str:
    return _marked(cell_text(row.tasks[task]), marks(row.warnings.get(task, {})))


def _marked(number: str, mark: str) -> str:
    return f"{number} {mark}" if mark else number


def _numbers(table: Table2, protection: str, column: AttackInSpace) -> list[str]:
    cell = table.cells[protection, column]
    target = _marked(
        cell_text(cell.target if cell else None), cell_marks(table, protection, column)
    )
    if not is_protected(protection):
        return [target]
    plain = table.cells.get((UNPROTECTED, column))
    return [target, _difference(cell, plain), cell_text(cell.others if cell else None)]


def _difference(cell: MergedCell | None, plain: MergedCell | None) -> str:
    if cell is None or plain is None:
        return MISSING
    return f"{cell.target.mean - plain.target.mean:+z.1f}"
