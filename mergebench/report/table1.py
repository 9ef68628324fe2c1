"""Tables 1 and 3: standalone test accuracy of the backbone and of every released update."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from mergebench.measure import (
    UNPROTECTED,
    UTILITY_LOSS,
    ZERO_SHOT,
    Context,
    Measurements,
    Standalone,
    bootstrap,
    wilson,
)
from mergebench.plurals import how_many
from mergebench.report.beside_paper import beside_standalone
from mergebench.report.captions import latex_caption, latex_comment, markdown_caption
from mergebench.report.clear_differences import clearly_better
from mergebench.report.doubts import legend, listed, marks, tally
from mergebench.report.estimates import interval_columns
from mergebench.report.grid import Column, Grid, Row, markdown_table
from mergebench.report.labels import (
    FORM_IN_TITLE,
    STANDALONE_TABLES,
    release_key,
    release_label,
    release_order,
)
from mergebench.report.latex import escape, latex_table
from mergebench.report.markdown import markdown_text
from mergebench.report.spread import Spread, fixed, percent, spread
from mergebench.report.standalone_accuracies import StandaloneRow, Table1, shown_tasks
from mergebench.report.stored_checkpoints import stored_markdown, write_stored
from mergebench.report.writing import write_csv, write_text

CSV_DIGITS = 2


def table1(measurements: Measurements) -> Table1:
    """Summarise the standalone counts; `ValueError` if one was measured twice."""
    by_release: dict[str, dict[tuple[str, int], float]] = {}
    for one in measurements.standalone:
        accuracies = by_release.setdefault(one.release, {})
        if (one.task, one.seed) in accuracies:
            raise ValueError(f"two measurements of {one.release} on {one.task}, seed {one.seed}")
        accuracies[one.task, one.seed] = percent(one.correct, one.size)
    tasks = shown_tasks(measurements, (one.task for one in measurements.standalone))
    return Table1(
        tasks=tasks,
        inputs=measurements.context.inputs,
        rows=tuple(
            _row(release, by_release[release], tasks, _warnings(measurements, release))
            for release in sorted(by_release, key=release_order)
        ),
    )


def _warnings(measurements: Measurements, release: str) -> dict[str, dict[str, int]]:
    """Count the warnings of a release by task, and add those that need the unprotected one."""
    found: dict[str, Counter[str]] = {}
    plain = {
        (one.task, one.seed): one for one in measurements.standalone if one.release == UNPROTECTED
    }
    for one in measurements.standalone:
        if one.release != release:
            continue
        kinds = [warning.kind for warning in one.warnings]
        beside = plain.get((one.task, one.seed))
        if release not in (UNPROTECTED, ZERO_SHOT) and beside and clearly_better(beside, one):
            kinds.append(UTILITY_LOSS)
        found.setdefault(one.task, Counter()).update(kinds)
    return {task: dict(counts) for task, counts in found.items()}


def _row(
    release: str,
    accuracies: Mapping[tuple[str, int], float],
    tasks: tuple[str, ...],
    warnings: Mapping[str, Mapping[str, int]],
) -> StandaloneRow:
    seeds = sorted({seed for _, seed in accuracies})
    complete = [seed for seed in seeds if all((task, seed) in accuracies for task in tasks)]
    if release == ZERO_SHOT:
        seeds, complete = seeds[:1], complete[:1]
    by_task = [fmean(accuracies[task, s] for s in complete) for task in tasks if complete]
    return StandaloneRow(
        release=release,
        tasks={
            task: spread({s: accuracies[task, s] for s in seeds if (task, s) in accuracies})
            for task in tasks
        },
        average=spread({s: fmean(accuracies[task, s] for task in tasks) for s in complete}),
        interval=bootstrap(by_task),
        warnings=warnings,
    )


def write_table1(measurements: Measurements, folder: Path, stem: str = "table1") -> list[Path]:
    """Write Table 1 (or 3) as Markdown, CSV and LaTeX, and its counts as `<stem>_tasks.csv`.

    Where the paper's table has the backbone, its numbers stand beside ours. Returns the
    files. Raises `InputError` when one cannot be written.
    """
    table = table1(measurements)
    grid = _grid(table)
    context = measurements.context
    number = STANDALONE_TABLES[context.release]
    beside = beside_standalone(measurements, table, number)
    markdown = (
        f"# Table {number}: standalone test accuracy in percent"
        f"{FORM_IN_TITLE[context.release]}\n\n"
        f"{markdown_table(grid)}\n{markdown_text(reading(table))}\n\n{stored_markdown(measurements)}"
        f"{beside.markdown()}{markdown_caption(context)}"
    )
    latex = latex_comment(context) + latex_table(
        grid,
        caption=f"{escape(_SUBJECT)} {latex_caption(context)}",
        label=f"tab:{context.backbone}-{stem}",
    )
    return [
        write_text(folder / f"{stem}.md", markdown),
        _write_csv(folder / f"{stem}.csv", table, context),
        write_text(folder / f"{stem}.tex", latex + beside.latex(context, stem)),
        _write_counts(folder / f"{stem}_tasks.csv", measurements),
        *write_stored(measurements, folder / f"{stem}_stored.csv"),
        *beside.files(folder, context, stem),
    ]


_SUBJECT = (
    "Test accuracy in percent of the backbone without an update (zero-shot) and with each task's "
    "own update at its nominal scale, on that task. The average is over tasks, unweighted."
)


def reading(table: Table1) -> str:
    """Return in words what the numbers are, and what makes some of them doubtful."""
    sentences = [_SUBJECT]
    averages = {row.release: row.average for row in table.rows}
    if any(row.average is not None and row.average.std is not None for row in table.rows):
        sentences.append("± is the sample standard deviation over seeds.")
    plain = averages.get(UNPROTECTED)
    for release, average in averages.items():
        if plain is not None and average is not None and release not in (UNPROTECTED, ZERO_SHOT):
            gap = average.mean - plain.mean
            label = release_label(release)
            sentences.append(f"{label} minus fine-tuned, on average: {gap:+z.1f} points.")
    sentences += legend(_groups(table), table.inputs)
    return " ".join(sentences)


def _groups(table: Table1) -> dict[str, dict[str, int]]:
    groups = {}
    for row in table.rows:
        counts = Counter[str]()
        for kinds in row.warnings.values():
            counts.update(kinds)
        updates = sum(len(value.seeds) for value in row.tasks.values() if value)
        groups[how_many(updates, f"{release_label(row.release)} measurement")] = dict(counts)
    return groups


def _grid(table: Table1) -> Grid:
    return Grid(
        columns=tuple(Column(name=name) for name in (*table.tasks, "average")),
        rows=tuple(
            Row(
                label=release_label(row.release),
                values=(*(row.tasks[task] for task in table.tasks), row.average),
                marks=(*(marks(row.warnings.get(task, {})) for task in table.tasks), ""),
            )
            for row in table.rows
        ),
    )


def _write_csv(file: Path, table: Table1, context: Context) -> Path:
    header = ["backbone", "release", "row", *table.tasks, "average"]
    header += ["average_std", "seeds", *(f"{task}_std" for task in table.tasks)]
    header += ["average_low_95", "average_high_95"]
    rows = []
    for row in table.rows:
        values = [row.tasks[task] for task in table.tasks]
        seeds = row.average.seeds if row.average else ()
        rows.append(
            [
                *(context.backbone, context.release, release_key(row.release)),
                *(_mean(value) for value in (*values, row.average)),
                _std(row.average),
                " ".join(map(str, seeds)),
                *(_std(value) for value in values),
                *interval_columns(row.interval),
            ]
        )
    return write_csv(file, header, rows)


def _write_counts(file: Path, measurements: Measurements) -> Path:
    context = measurements.context

    def order(one: Standalone) -> tuple[object, ...]:
        return release_order(one.release), context.tasks.index(one.task), one.seed

    header = ["backbone", "release", "row", "task", "seed", "accuracy", "correct", "total"]
    header += ["low_95", "high_95", "warnings"]
    rows = (
        [
            *(context.backbone, context.release, release_key(one.release)),
            *(one.task, one.seed, fixed(percent(one.correct, one.size), CSV_DIGITS)),
            *(one.correct, one.size),
            *interval_columns(wilson(one.correct, one.size)),
            listed(tally(warning.kind for warning in one.warnings)),
        ]
        for one in sorted(measurements.standalone, key=order)
    )
    return write_csv(file, header, rows)


def _mean(value: Spread | None) -> str:
    return fixed(value.mean if value else None, CSV_DIGITS)


def _std(value: Spread | None) -> str:
    return fixed(value.std if value else None, CSV_DIGITS)
