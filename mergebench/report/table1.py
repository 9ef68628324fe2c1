"""Table 1: standalone test accuracy of the backbone and of every released update."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from mergebench.measurements import UNPROTECTED, ZERO_SHOT, Measurements, Standalone
from mergebench.report.captions import latex_caption, latex_comment, markdown_caption
from mergebench.report.grid import Column, Grid, Row, markdown_table
from mergebench.report.labels import RELEASE_FORM, release_key, release_label, release_order
from mergebench.report.latex import escape, latex_table
from mergebench.report.spread import Spread, fixed, percent, spread
from mergebench.report.writing import write_csv, write_text

CSV_DIGITS = 2


@dataclass(frozen=True, kw_only=True)
class StandaloneRow:
    """Accuracies in percent of one release: by task, and the unweighted average over tasks.

    A seed counts in the average if all tasks were measured with it. The spread over seeds of
    zero-shot is none, as the backbone does not depend on the seed.
    """

    release: str
    tasks: Mapping[str, Spread | None]
    average: Spread | None


@dataclass(frozen=True, kw_only=True)
class Table1:
    """The rows zero-shot, fine-tuned and one per protection, over the measured tasks."""

    tasks: tuple[str, ...]
    rows: tuple[StandaloneRow, ...]


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
        rows=tuple(
            _row(release, by_release[release], tasks)
            for release in sorted(by_release, key=release_order)
        ),
    )


def shown_tasks(measurements: Measurements, measured: Iterable[str]) -> tuple[str, ...]:
    """Return the measured tasks in the suite's order; `ValueError` for one not in the context."""
    found = set(measured)
    unknown = sorted(found.difference(measurements.context.tasks))
    if unknown:
        raise ValueError(f"measured tasks that the context does not list: {', '.join(unknown)}")
    return tuple(task for task in measurements.context.tasks if task in found)


def _row(
    release: str, accuracies: Mapping[tuple[str, int], float], tasks: tuple[str, ...]
) -> StandaloneRow:
    seeds = sorted({seed for _, seed in accuracies})
    complete = [seed for seed in seeds if all((task, seed) in accuracies for task in tasks)]
    if release == ZERO_SHOT:
        seeds, complete = seeds[:1], complete[:1]
    return StandaloneRow(
        release=release,
        tasks={
            task: spread({s: accuracies[task, s] for s in seeds if (task, s) in accuracies})
            for task in tasks
        },
        average=spread({s: fmean(accuracies[task, s] for task in tasks) for s in complete}),
    )


def write_table1(measurements: Measurements, folder: Path, stem: str = "table1") -> list[Path]:
    """Write Table 1 as Markdown, CSV and LaTeX, and its counts as `<stem>_tasks.csv`.

    Returns the files. Raises `InputError` when one cannot be written.
    """
    table = table1(measurements)
    grid = _grid(table)
    context = measurements.context
    markdown = (
        "# Table 1: standalone test accuracy in percent\n\n"
        f"{markdown_table(grid)}\n{_reading(table)}\n{markdown_caption(context)}"
    )
    latex = latex_comment(context) + latex_table(
        grid,
        caption=f"{escape(_SUBJECT)} {latex_caption(context)}",
        label=f"tab:{context.backbone}-{stem}",
    )
    return [
        write_text(folder / f"{stem}.md", markdown),
        _write_csv(folder / f"{stem}.csv", table, context.backbone),
        write_text(folder / f"{stem}.tex", latex),
        _write_counts(folder / f"{stem}_tasks.csv", measurements),
    ]


_SUBJECT = (
    "Test accuracy in percent of the backbone without an update (zero-shot) and with each task's "
    "own update at its nominal scale, on that task. The average is over tasks, unweighted."
)


def _reading(table: Table1) -> str:
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
    return " ".join(sentences) + "\n"


def _grid(table: Table1) -> Grid:
    return Grid(
        columns=tuple(Column(name=name) for name in (*table.tasks, "average")),
        rows=tuple(
            Row(
                label=release_label(row.release),
                values=(*(row.tasks[task] for task in table.tasks), row.average),
            )
            for row in table.rows
        ),
    )


def _write_csv(file: Path, table: Table1, backbone: str) -> Path:
    header = ["backbone", "release", "row", *table.tasks, "average"]
    header += ["average_std", "seeds", *(f"{task}_std" for task in table.tasks)]
    rows = []
    for row in table.rows:
        values = [row.tasks[task] for task in table.tasks]
        seeds = row.average.seeds if row.average else ()
        rows.append(
            [
                *(backbone, RELEASE_FORM, release_key(row.release)),
                *(_mean(value) for value in (*values, row.average)),
                _std(row.average),
                " ".join(map(str, seeds)),
                *(_std(value) for value in values),
            ]
        )
    return write_csv(file, header, rows)


def _write_counts(file: Path, measurements: Measurements) -> Path:
    tasks = measurements.context.tasks

    def order(one: Standalone) -> tuple[object, ...]:
        return release_order(one.release), tasks.index(one.task), one.seed

    header = ["backbone", "release", "row", "task", "seed", "accuracy", "correct", "total"]
    rows = (
        [
            *(measurements.context.backbone, RELEASE_FORM, release_key(one.release)),
            *(one.task, one.seed, fixed(percent(one.correct, one.size), CSV_DIGITS)),
            *(one.correct, one.size),
        ]
        for one in sorted(measurements.standalone, key=order)
    )
    return write_csv(file, header, rows)


def _mean(value: Spread | None) -> str:
    return fixed(value.mean if value else None, CSV_DIGITS)


def _std(value: Spread | None) -> str:
    return fixed(value.std if value else None, CSV_DIGITS)
