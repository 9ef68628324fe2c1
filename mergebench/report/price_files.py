"""The price of theft as files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mergebench.measure import Context, Estimate, Level, Measurements
from mergebench.report.captions import headline, latex_caption, latex_comment, markdown_caption
from mergebench.report.estimates import estimate_columns
from mergebench.report.figure_files import write_pictures
from mergebench.report.labels import protection_key
from mergebench.report.latex import escape, text_table
from mergebench.report.markdown import markdown_text, pipe_table
from mergebench.report.price import PriceCurve, PriceTable, price
from mergebench.report.price_text import cells, headings, sentences
from mergebench.report.writing import write_csv, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_price(
    measurements: Measurements,
    folder: Path,
    stem: str,
    *,
    free: Level,
    yardsticks: Sequence[str],
) -> list[Path]:
    """Write the price of theft as Markdown, CSV and LaTeX, and its figure as PNG and SVG.

    Returns the files. Raises `InputError` when one cannot be written, `ValueError` as `price`.
    """
    from mergebench.report.price_drawing import draw_price  # Matplotlib takes a second to import.

    table, context = price(measurements, free, yardsticks), measurements.context

    def drawn() -> Figure:
        return draw_price(table, context.inputs, footer=headline(context))

    return [
        write_text(folder / f"{stem}.md", _markdown(table, context)),
        _write_csv(folder / f"{stem}.csv", table, context),
        write_text(folder / f"{stem}.tex", _latex(table, context, stem)),
        *write_pictures(drawn, folder / stem, context),
    ]


def _markdown(table: PriceTable, context: Context) -> str:
    rows = [[markdown_text(cell) for cell in cells(table, one)] for one in table.curves]
    said = "".join(f"- {markdown_text(one)}\n" for one in sentences(table, context.inputs))
    return (
        f"# Price of theft\n\n{pipe_table(headings(table), rows)}\n{said}\n"
        f"## How it came about\n\n{markdown_caption(context)}"
    )


def _latex(table: PriceTable, context: Context, stem: str) -> str:
    said = escape(" ".join(sentences(table, context.inputs)))
    return latex_comment(context) + text_table(
        headings(table),
        [cells(table, one) for one in table.curves],
        caption=f"{said} {latex_caption(context)}",
        label=f"tab:{context.backbone}-{stem}",
    )


def _write_csv(file: Path, table: PriceTable, context: Context) -> Path:
    """Write a line per curve and number of inputs; the price is that of the curve."""
    numbers = ("gain_target", "gain_others", "worth", "price")
    header = [
        *("backbone", "release", "protection", "data", "inputs"),
        *(f"{name}{end}" for name in numbers for end in ("", "_low_95", "_high_95")),
        *("none", "picks", "targets", "seeds"),
    ]
    place = [context.backbone, context.release]
    seeds = " ".join(map(str, context.seeds))
    rows = (
        [*place, *row, table.picks, " ".join(table.targets), seeds]
        for curve in table.curves
        for row in _rows(curve, table)
    )
    return write_csv(file, header, rows)


def _rows(curve: PriceCurve, table: PriceTable) -> Iterator[list[object]]:
    found = curve.found
    for place, inputs in enumerate(table.inputs):
        yield [
            *(protection_key(curve.protection), curve.data, inputs),
            *estimate_columns(found.gains[place]),
            *estimate_columns(found.others[place]),
            *estimate_columns(found.worth),
            *_price_columns(found.price),
            curve.none[place],
        ]


def _price_columns(price: Estimate | None) -> list[str]:
    """Return the price and the ends of its interval; `inf` where no number of inputs suffices."""
    if price is None or price.interval is None:
        return [_number(None if price is None else price.value), "", ""]
    return [_number(one) for one in (price.value, price.interval.low, price.interval.high)]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return "inf" if math.isinf(value) else f"{value:.0f}"
