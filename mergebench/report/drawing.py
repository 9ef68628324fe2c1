"""How figures are drawn: accuracy against the scale of an update, and against labelled inputs.

Figure 2 has the mean over tasks above and one small panel per task below.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from math import ceil
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mergebench.measure import FROM_BASE, UNPROTECTED
from mergebench.report.figure2 import Figure2, Series
from mergebench.report.labels import protection_label, release_label, release_order
from mergebench.report.recovery import Recovery
from mergebench.report.spread import Spread
from mergebench.terminal import printable

Line = str | tuple[int, tuple[int, ...]]
Looks = dict[str, tuple[str, Line]]

WIDTH = 3.5
"""Inches: one column of a two-column paper."""

PANELS_PER_ROW = 4
DOTS_PER_INCH = 300
GREY = "#666666"
LIGHT_GREY = "#bbbbbb"
UNPROTECTED_COLOUR = "#0072B2"
PROTECTED_COLOURS = (
    *("#D55E00", "#009E73", "#CC79A7", "#E69F00"),
    *("#56B4E9", "#000000", "#6A3D9A", "#8C510A"),
)
"""The colour-blind-safe palette of Okabe and Ito without its yellow, then two dark ones; line
styles differ as well."""

PROTECTED_STYLES: tuple[Line, ...] = ("-", (0, (4, 1)), (0, (1, 1)), (0, (4, 1, 1, 1)))
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "svg.hashsalt": "mergebench",
    "svg.fonttype": "path",
}


def draw(shown: Figure2, *, footer: str) -> Figure:
    """Return the figure; `footer` is one small line of context below it."""
    rows = ceil(len(shown.tasks) / PANELS_PER_ROW) if len(shown.tasks) > 1 else 0
    looks = _looks(shown)
    with drawing_style():
        figure = Figure(figsize=(WIDTH, 2.3 + 0.85 * rows), layout="constrained")
        layout = figure.add_gridspec(1 + rows, PANELS_PER_ROW, height_ratios=[2.2, *[0.85] * rows])
        _draw_mean(figure.add_subplot(layout[0, :]), shown, looks)
        for place, (task, panel) in enumerate(shown.tasks.items() if rows else ()):
            row, column = divmod(place, PANELS_PER_ROW)
            bottom = place + PANELS_PER_ROW >= len(shown.tasks)
            axes = figure.add_subplot(layout[1 + row, column])
            _draw_task(axes, task, panel, looks, left=column == 0, bottom=bottom)
        figure.supxlabel(figure_text(footer), fontsize=5, color=GREY)
    return figure


def draw_recovery(shown: Recovery, *, footer: str) -> Figure:
    """Return the figure: a line per start, over the numbers of inputs at equal distances."""
    starts = {line.protection for line in shown.lines}
    looks = {**_line_looks(starts - {FROM_BASE}), FROM_BASE: (GREY, ":")}
    places = list(range(len(shown.budgets)))
    with drawing_style():
        figure = Figure(figsize=(WIDTH, 2.3), layout="constrained")
        axes = figure.add_subplot()
        for line in shown.lines:
            colour, pattern = looks[line.protection]
            means = [value.mean for value in line.values]
            whose = figure_text(protection_label(line.protection))
            label = f"from the {whose} merge" if shown.budgets[0] == 0 else whose
            label = "from W0" if line.protection == FROM_BASE else label
            axes.plot(
                places,
                means,
                color=colour,
                linestyle=pattern,
                marker="o",
                markersize=3,
                linewidth=1.6,
                label=label,
            )
            _fill_deviation(axes, places, line.values, colour)
        axes.set_xticks(
            places, [str(budget) if budget else "0\n(start)" for budget in shown.budgets]
        )
        axes.set_xlabel(f"{shown.data} training {shown.inputs} per class of the target")
        axes.set_ylabel("test accuracy on the target (%)")
        axes.set_ylim(0, 100)
        axes.legend(frameon=False, loc="lower right", fontsize=6)
        figure.supxlabel(figure_text(footer), fontsize=5, color=GREY)
    return figure


def figure_text(text: str) -> str:
    """Return `text` such that Matplotlib draws it as it is, and a legend does not leave it out."""
    shown = printable(text).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def rendered(figure: Figure, kind: str, *, description: str) -> bytes:
    """Return the figure as `png` or `svg`: equal figures give equal bytes."""
    metadata: dict[str, Any] = {"Description": description}
    metadata |= {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    content = io.BytesIO()
    with drawing_style():
        figure.savefig(content, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)
    return content.getvalue()


@contextmanager
def drawing_style() -> Iterator[None]:
    """Have Matplotlib's defaults and ours, whatever the user's own settings are."""
    with style.context(["default", STYLE]):
        yield


def colours(releases: set[str]) -> dict[str, str]:
    """Return the colour of every release, the same in all figures of these."""
    return {release: colour for release, (colour, _) in _line_looks(releases).items()}


def _looks(shown: Figure2) -> Looks:
    """Return colour and line style by release, the same in every panel."""
    return _line_looks({series.release for panel in shown.tasks.values() for series in panel})


def _line_looks(releases: set[str]) -> Looks:
    protected = sorted(releases - {UNPROTECTED}, key=release_order)
    looks = zip(cycle(PROTECTED_COLOURS), cycle(PROTECTED_STYLES), strict=True)
    return {UNPROTECTED: (UNPROTECTED_COLOUR, "--"), **dict(zip(protected, looks, strict=False))}


def _draw_mean(axes: Axes, shown: Figure2, looks: Looks) -> None:
    _draw_lines(axes, shown.mean, looks, width=1.6)
    title = "mean over tasks" if len(shown.tasks) > 1 else next(iter(shown.tasks))
    axes.text(0.03, 96, figure_text(title), va="top")
    axes.set_xlabel("scale $s$ at which the update is deployed")
    axes.set_ylabel("test accuracy (%)")
    axes.set_xticks((0, 0.5, 1, 1.5, 2), ("0", "0.5", "1", "1.5", "2"))
    axes.set_yticks(range(0, 101, 20))
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, fontsize=6)


def _draw_task(
    axes: Axes, task: str, panel: tuple[Series, ...], looks: Looks, *, left: bool, bottom: bool
) -> None:
    _draw_lines(axes, panel, looks, width=0.9)
    axes.set_title(figure_text(task), fontsize=6, pad=2)
    axes.set_yticks((0, 50, 100), ("0", "50", "100") if left else ("", "", ""))
    axes.set_xticks((0, 1, 2), ("0", "1", "2") if bottom else ("", "", ""))
    axes.tick_params(labelsize=6, length=2, pad=1.5)


def _draw_lines(axes: Axes, panel: tuple[Series, ...], looks: Looks, *, width: float) -> None:
    axes.axvline(1, color=LIGHT_GREY, linewidth=0.6, zorder=0)
    for series in panel:
        colour, line = looks[series.release]
        label = figure_text(release_label(series.release))
        means = [value.mean for value in series.values]
        axes.plot(series.scales, means, color=colour, linestyle=line, linewidth=width, label=label)
        _fill_deviation(axes, series.scales, series.values, colour)
    if panel and 0 in panel[0].scales:
        zero_shot = panel[0].values[panel[0].scales.index(0)].mean
        axes.axhline(
            zero_shot,
            color=GREY,
            linewidth=0.8,
            linestyle=":",
            zorder=1,
            label="zero-shot ($s = 0$)",
        )
    axes.set_xlim(0, 2)
    axes.set_ylim(0, 100)


def _fill_deviation(
    axes: Axes, places: Sequence[float], values: Sequence[Spread], colour: str
) -> None:
    if any(value.std for value in values):
        low = [value.mean - (value.std or 0) for value in values]
        high = [value.mean + (value.std or 0) for value in values]
        axes.fill_between(places, low, high, color=colour, alpha=0.2, linewidth=0)
