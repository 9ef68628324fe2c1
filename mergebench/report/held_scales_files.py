"""The scales at which merges hold updates, as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mergebench.measure import Context, Measurements
from mergebench.report.captions import headline, markdown_caption
from mergebench.report.figure_files import write_pictures
from mergebench.report.grid import markdown_table
from mergebench.report.held_scales import (
    KEPT,
    HeldScales,
    held_scales,
    kept_grid,
    scale_grid,
    scale_reading,
)
from mergebench.report.labels import FORM_IN_TITLE, protection_key
from mergebench.report.spread import fixed
from mergebench.report.table2_text import SUBJECT, accuracy_grid
from mergebench.report.writing import write_csv, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_scales(measurements: Measurements, folder: Path, stem: str) -> list[Path]:
    """Write the scales as Markdown, every merge as CSV, and both against each other as a figure.

    Returns the files. Raises `InputError` when one cannot be written.
    """
    from mergebench.report.held_scales_drawing import draw_scales  # Matplotlib takes a second.

    held, context = held_scales(measurements), measurements.context

    def drawn() -> Figure:
        return draw_scales(held, footer=headline(context))

    return [
        write_text(folder / f"{stem}.md", _markdown(held, context)),
        _write_updates(folder / f"{stem}.csv", held, context),
        *write_pictures(drawn, folder / stem, context),
    ]


def _markdown(held: HeldScales, context: Context) -> str:
    return (
        f"# Scales at which merges hold the target's update{FORM_IN_TITLE[context.release]}\n\n"
        f"{scale_reading(held)}\n\n{markdown_table(scale_grid(held))}\n"
        f"## What is kept of the target\n\n{KEPT}\n\n{markdown_table(kept_grid(held))}\n"
        f"## Accuracy on the target\n\n{SUBJECT}\n\n{markdown_table(accuracy_grid(held.table))}\n"
        f"## How it came about\n\n{markdown_caption(context)}"
    )


def _write_updates(file: Path, held: HeldScales, context: Context) -> Path:
    header = [
        *("backbone", "release", "protection", "attack", "space", "target", "seed"),
        *("scale", "scale_leading", "accuracy", "kept", "kept_alone"),
    ]
    rows = (
        [
            *(context.backbone, context.release, protection_key(one.protection), *one.column),
            *(one.target, one.seed),
            *(fixed(one.scale, 4), fixed(one.leading, 4), fixed(one.accuracy, 2)),
            *(fixed(one.kept, 2), fixed(one.alone, 2)),
        ]
        for one in held.updates
    )
    return write_csv(file, header, rows)
