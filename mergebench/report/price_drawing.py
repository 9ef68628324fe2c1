"""How the price of theft is drawn: gain on the target against the number of inputs."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mergebench.measure import FROM_BASE, SHARE, UNPROTECTED, Estimate
from mergebench.report.drawing import (
    GREY,
    WIDTH,
    colours,
    drawing_style,
    figure_text,
)
from mergebench.report.price import PriceCurve, PriceTable
from mergebench.report.price_text import curve_label

_ROOM = 0.08
"""Between the intervals of two curves at one number of inputs, which would hide each other."""


def draw_price(table: PriceTable, inputs: str, *, footer: str) -> Figure:
    """Return the figure: a panel per kind of inputs, a line per protection and one for none.

    The curve without the update is in every panel. Numbers of inputs stand at equal distances;
    bars are 95 % intervals, and a dotted line is what has to be reached. `inputs`: as of `Context`;
    `footer` is one small line of context below.
    """
    kinds = list(dict.fromkeys(one.data for one in table.curves if one.protection != FROM_BASE))
    looks = colours({one.protection for one in table.curves} - {FROM_BASE}) | {FROM_BASE: GREY}
    with drawing_style():
        figure = Figure(figsize=(WIDTH, 0.6 + 1.7 * len(kinds)), layout="constrained")
        panels = figure.subplots(len(kinds), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, kind in zip(panels, kinds, strict=True):
            shown = [one for one in table.curves if one.data == kind or one.protection == FROM_BASE]
            shown.sort(key=lambda one: (one.protection == FROM_BASE, one.protection != UNPROTECTED))
            for place, curve in enumerate(shown):
                shift = _ROOM * (place - (len(shown) - 1) / 2)
                _draw_curve(axes, curve, looks[curve.protection], shift)
            goal = SHARE * table.curves[0].found.worth.value
            axes.axhline(goal, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
            axes.axhline(0, color=GREY, linewidth=0.4, zorder=0)
            axes.set_title(f"{kind} {inputs}", fontsize=7, pad=3)
            axes.set_ylabel("gain on the target (points)")
        panels[-1].set_xticks(range(len(table.inputs)), [f"{one:,}" for one in table.inputs])
        panels[-1].set_xlabel(f"{inputs} of the target's task")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, frameon=False, loc="outside upper center", ncols=2, fontsize=6
        )
        figure.supxlabel(figure_text(footer), fontsize=5, color=GREY)
    return figure


def _draw_curve(axes: Axes, curve: PriceCurve, colour: str, shift: float) -> None:
    gains = curve.found.gains
    places = [place + shift for place in range(len(gains))]
    axes.errorbar(
        places,
        [gain.value for gain in gains],
        yerr=[[_reach(gain)[end] for gain in gains] for end in (0, 1)],
        color=colour,
        linestyle=":" if curve.protection == FROM_BASE else "-",
        marker="o",
        markersize=3,
        linewidth=1.4,
        elinewidth=0.6,
        label=figure_text(curve_label(curve)),
    )


def _reach(gain: Estimate) -> tuple[float, float]:
    """Return how far the interval reaches below and above the estimate, which may lie outside."""
    if gain.interval is None:
        return 0.0, 0.0
    return max(0.0, gain.value - gain.interval.low), max(0.0, gain.interval.high - gain.value)
