"""Accuracy of checkpoints by the dtype that they are stored in, beside tables of single updates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from mergebench.measure import Measurements
from mergebench.report.grid import Column, Grid, Row, markdown_table
from mergebench.report.labels import release_key, release_label, release_order
from mergebench.report.markdown import markdown_text
from mergebench.report.spread import Spread, fixed, percent, spread
from mergebench.report.writing import write_csv

_SUBJECT = (
    "The same updates, each as the full checkpoint W0 + its change, stored in that dtype and "
    "computed in float32: test accuracy in percent, averaged over tasks. What keeps a model's "
    "function in exact arithmetic may lose it when its weights are rounded."
)


def stored_markdown(measurements: Measurements) -> str:
    """Return the table with its heading; nothing where it was not measured."""
    dtypes = _dtypes(measurements)
    if not dtypes:
        return ""
    found = _averages(measurements)
    releases = sorted({release for release, _ in found}, key=release_order)
    grid = Grid(
        columns=tuple(Column(name=dtype) for dtype in dtypes),
        rows=tuple(
            Row(
                label=release_label(release),
                values=tuple(found.get((release, dtype)) for dtype in dtypes),
            )
            for release in releases
        ),
    )
    return f"## By the dtype of the file\n\n{markdown_table(grid)}\n{markdown_text(_SUBJECT)}\n\n"


def write_stored(measurements: Measurements, file: Path) -> list[Path]:
    """Write the counts by task; return the file, or none where nothing was measured."""
    if not measurements.stored:
        return []
    context, dtypes = measurements.context, _dtypes(measurements)
    header = ["backbone", "release", "row", "task", "seed", "dtype", "accuracy", "correct", "total"]
    ordered = sorted(
        measurements.stored,
        key=lambda one: (
            *release_order(one.release),
            context.tasks.index(one.task),
            one.seed,
            dtypes.index(one.dtype),
        ),
    )
    rows = (
        [
            *(context.backbone, context.release, release_key(one.release), one.task, one.seed),
            *(one.dtype, fixed(percent(one.correct, one.size), 2), one.correct, one.size),
        ]
        for one in ordered
    )
    return [write_csv(file, header, rows)]


def _dtypes(measurements: Measurements) -> list[str]:
    return [*dict.fromkeys(one.dtype for one in measurements.stored)]


def _averages(measurements: Measurements) -> Mapping[tuple[str, str], Spread | None]:
    """Return the average over tasks by release and dtype."""
    by_seed: dict[tuple[str, str], dict[int, list[float]]] = {}
    for one in measurements.stored:
        seeds = by_seed.setdefault((one.release, one.dtype), {})
        seeds.setdefault(one.seed, []).append(percent(one.correct, one.size))
    return {
        place: spread({seed: fmean(values) for seed, values in seeds.items()})
        for place, seeds in by_seed.items()
    }
