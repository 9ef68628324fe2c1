"""Figures as files: Figure 2 and accuracy after fine-tuning, each with its points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mergebench.measure import Context, Measurements, Recovered
from mergebench.report.captions import headline, plain_caption
from mergebench.report.figure2 import figure2
from mergebench.report.labels import protection_key, release_key, release_order
from mergebench.report.recovery import Recovery, recovery
from mergebench.report.spread import fixed, percent
from mergebench.report.writing import write_bytes, write_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_figure2(measurements: Measurements, folder: Path, stem: str = "figure2") -> list[Path]:
    """Write Figure 2 as PNG and SVG, and its points as CSV.

    Returns the files. Raises `InputError` when one cannot be written, `ValueError` as `figure2`.
    """
    from mergebench.report.drawing import draw  # Matplotlib takes a second to import.

    shown = figure2(measurements)
    context = measurements.context

    def drawn() -> Figure:
        return draw(shown, footer=headline(context, merging=False))

    header = ["backbone", "release", "row", "task", "scale", "accuracy", "accuracy_std", "seeds"]
    panels = {**shown.tasks, "average": shown.mean}
    rows = (
        [
            *(context.backbone, context.release, release_key(series.release), task, f"{scale:g}"),
            *(fixed(value.mean, 2), fixed(value.std, 2), " ".join(map(str, value.seeds))),
        ]
        for task, panel in panels.items()
        for series in panel
        for scale, value in zip(series.scales, series.values, strict=True)
    )
    points = write_csv(folder / f"{stem}.csv", header, rows)
    return [*write_pictures(drawn, folder / stem, context), points]


def write_recovery(measurements: Measurements, folder: Path, stem: str = "recovery") -> list[Path]:
    """Write the figure as PNG and SVG, and its points, with those of every target, as CSV.

    Returns the files. Raises `InputError` when one cannot be written, `ValueError` as `recovery`.
    """
    from mergebench.report.drawing import draw_recovery  # Matplotlib takes a second to import.

    shown = recovery(measurements)
    context = measurements.context

    def drawn() -> Figure:
        return draw_recovery(shown, footer=headline(context))

    header = ["backbone", "release", "protection", "target", "images_per_class", "images", "seed"]
    header += ["accuracy", "accuracy_std", "correct", "total"]
    place = [context.backbone, context.release]
    rows: list[list[object]] = [
        [
            *(*place, protection_key(line.protection), "average", budget, "", ""),
            *(fixed(value.mean, 2), fixed(value.std, 2), "", ""),
        ]
        for line in shown.lines
        for budget, value in zip(shown.budgets, line.values, strict=True)
    ]
    rows += [
        [
            *(*place, protection_key(one.protection), one.target, one.inputs_per_class),
            *(one.inputs, one.seed, fixed(percent(one.correct, one.size), 2), ""),
            *(one.correct, one.size),
        ]
        for one in sorted(measurements.recovered, key=lambda one: _order(one, shown))
    ]
    points = write_csv(folder / f"{stem}.csv", header, rows)
    return [*write_pictures(drawn, folder / stem, context), points]


def write_pictures(drawn: Callable[[], Figure], stem: Path, context: Context) -> list[Path]:
    """Write `<stem>.png` and `<stem>.svg`, each drawn anew: rendering changes a figure."""
    from mergebench.report.drawing import rendered

    description = plain_caption(context)
    return [
        write_bytes(
            stem.with_name(f"{stem.name}.{kind}"), rendered(drawn(), kind, description=description)
        )
        for kind in ("png", "svg")
    ]


def _order(one: Recovered, shown: Recovery) -> tuple[object, ...]:
    start = release_order(one.protection)
    return start, shown.targets.index(one.target), one.inputs_per_class, one.seed
