"""Our numbers beside the paper's: difference, and how sure ours are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from mergebench.measure import Context, Interval, Measurements, wilson
from mergebench.report.captions import latex_caption
from mergebench.report.grid import Column, Grid, Row, markdown_table
from mergebench.report.labels import (
    attack_label,
    protection_key,
    protection_label,
    release_key,
    release_label,
    space_label,
)
from mergebench.report.latex import escape, latex_table
from mergebench.report.markdown import markdown_text
from mergebench.report.merged_accuracies import Table2
from mergebench.report.published_tables import published
from mergebench.report.spread import Spread, fixed
from mergebench.report.standalone_accuracies import Table1
from mergebench.report.writing import write_csv

AVERAGE = "average"
CSV_DIGITS = 2
_PARTIAL = "-partial"


@dataclass(frozen=True, kw_only=True)
class Beside:
    """One number of ours and of the paper's, in percent.

    `label`: its row and column for readers; `key`: for files. `interval`: 95 % of ours, over test
    inputs where it is of one task, over tasks or targets where it is an average; None where there
    is only one of them.
    """

    label: str
    key: tuple[str, ...]
    ours: float
    interval: Interval | None
    paper: float

    @property
    def difference(self) -> float:
        """Return ours minus the paper's, in points."""
        return self.ours - self.paper


@dataclass(frozen=True, kw_only=True)
class BesidePaper:
    """All numbers of one table that the paper has too; empty where it has none.

    `inputs`: what the tasks have, as of `Context`; `partial`: whether some are lacking.
    """

    number: int
    inputs: str
    rows: tuple[Beside, ...]
    partial: bool = False

    def __bool__(self) -> bool:
        """Whether there is anything to compare."""
        return bool(self.rows)

    @property
    def grid(self) -> Grid:
        """The numbers as a table."""
        names = ("ours", "95 % from", "to", "paper", "ours − paper")
        rows = (Row(label=one.label, values=(*_numbers(one),)) for one in self.rows)
        return Grid(columns=tuple(Column(name=name) for name in names), rows=tuple(rows))

    @property
    def sentences(self) -> str:
        """What the numbers are."""
        text = (
            f"Our numbers beside Table {self.number} of the paper (Jang et al., ICML 2026), in "
            f"percent. The 95 % interval is that of ours: over test {self.inputs} for one task, "
            "bootstrapped over tasks or targets for averages. Published numbers carry the "
            "reference's defects, of which only protocol paper-exact has all."
        )
        partial = f" The {self.inputs} are partial data here, so that differences say nothing."
        return text + (partial if self.partial else "")

    def markdown(self) -> str:
        """Return a section of a Markdown file; empty without rows."""
        if not self:
            return ""
        sentences = markdown_text(self.sentences)
        return f"## Beside the paper\n\n{sentences}\n\n{markdown_table(self.grid)}\n"

    def latex(self, context: Context, stem: str) -> str:
        """Return a table of its own; empty without rows."""
        if not self:
            return ""
        caption = f"{escape(self.sentences)} {latex_caption(context)}"
        label = f"tab:{context.backbone}-{stem}-paper"
        return "\n" + latex_table(self.grid, caption=caption, label=label)

    def files(self, folder: Path, context: Context, stem: str) -> list[Path]:
        """Write `<stem>_paper.csv` and return it; nothing without rows."""
        if not self:
            return []
        header = ["backbone", "row", "column", "ours", "low_95", "high_95", "paper", "difference"]
        rows = (
            [
                *(context.backbone, one.key[0], "@".join(one.key[1:])),
                *(fixed(value, CSV_DIGITS) for value in _values(one)),
            ]
            for one in self.rows
        )
        return [write_csv(folder / f"{stem}_paper.csv", header, rows)]


def beside_standalone(measurements: Measurements, table: Table1, number: int) -> BesidePaper:
    """Return standalone accuracies beside those of Table `number` (1 or 3).

    The average is compared only where all of the paper's tasks were measured.
    """
    context = measurements.context
    known = published(number, context.backbone)
    return _beside(number, context, _standalone(measurements, table, known))


def beside_merged(context: Context, table: Table2, number: int) -> BesidePaper:
    """Return merged accuracies beside those of Table `number` (2, 4 or 5).

    Nothing is compared unless all of the paper's tasks are merged and targets.
    """
    known = published(number, context.backbone)
    complete = _covers(table.targets) and table.targets == table.tasks
    return _beside(number, context, _merged(table, known) if complete else ())


def _beside(number: int, context: Context, rows: Iterable[Beside]) -> BesidePaper:
    partial = _PARTIAL in context.suite
    return BesidePaper(number=number, inputs=context.inputs, rows=tuple(rows), partial=partial)


def _covers(tasks: Sequence[str]) -> bool:
    """Whether these are all tasks of the paper, by the columns of its Table 1."""
    of_paper = {task for _, task in published(1, "vit_b32")} - {AVERAGE}
    return set(tasks) == of_paper


def _standalone(
    measurements: Measurements, table: Table1, known: Mapping[tuple[str, ...], float]
) -> Iterator[Beside]:
    for row in table.rows:
        release = release_key(row.release)
        values = {**row.tasks, AVERAGE: row.average if _covers(table.tasks) else None}
        for task, value in values.items():
            if value is None or (release, task) not in known:
                continue
            average = task == AVERAGE
            yield Beside(
                label=f"{release_label(row.release)}, {task}",
                key=(release, task),
                ours=value.mean,
                interval=row.interval if average else _of_task(measurements, row.release, task),
                paper=known[release, task],
            )


def _of_task(measurements: Measurements, release: str, task: str) -> Interval:
    """Return Wilson's interval of the mean over seeds, all of which have the same test inputs."""
    members = [m for m in measurements.standalone if (m.release, m.task) == (release, task)]
    return wilson(round(fmean(one.correct for one in members)), members[0].size)


def _merged(table: Table2, known: Mapping[tuple[str, ...], float]) -> Iterator[Beside]:
    for (protection, (attack, space)), cell in table.cells.items():
        key = (protection_key(protection), attack, space)
        if cell is None or key not in known:
            continue
        yield Beside(
            label=f"{protection_label(protection)}, {attack_label(attack)} {space_label(space)}",
            key=key,
            ours=cell.target.mean,
            interval=cell.interval,
            paper=known[key],
        )


def _values(one: Beside) -> tuple[float | None, ...]:
    low, high = (one.interval.low, one.interval.high) if one.interval else (None, None)
    return one.ours, low, high, one.paper, one.difference


def _numbers(one: Beside) -> Iterator[Spread | None]:
    for value in _values(one):
        yield None if value is None else Spread(mean=value, std=None, seeds=())
