"""How the ROC of detection is drawn: what is flagged of both kinds of updates."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from mergebench.measure import Roc
from mergebench.report.drawing import (
    GREY,
    LIGHT_GREY,
    WIDTH,
    colours,
    drawing_style,
    figure_text,
)
from mergebench.report.labels import protection_label

_SIDE = 2.6


def draw_rocs(curves: Sequence[Roc], *, footer: str) -> Figure:
    """Return the figure: a line of steps per protection; `footer` is one small line below it."""
    looks = colours({one.protection for one in curves})
    with drawing_style():
        figure = Figure(figsize=(WIDTH, _SIDE), layout="constrained")
        axes = figure.add_subplot()
        axes.plot((0, 100), (0, 100), color=LIGHT_GREY, linewidth=0.8, linestyle=":", zorder=0)
        for curve in curves:
            label = f"{protection_label(curve.protection)} (area {float(curve.area):.2f})"
            axes.plot(
                [0.0, *(100 * float(point.unprotected) for point in curve.points)],
                [0.0, *(100 * float(point.protected) for point in curve.points)],
                color=looks[curve.protection],
                marker="o",
                markersize=2.5,
                linewidth=1.4,
                label=figure_text(label),
                clip_on=False,
            )
        axes.set_xlabel("unprotected updates that are flagged (%)")
        axes.set_ylabel("protected updates that are flagged (%)")
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 100)
        if curves:
            axes.legend(frameon=False, loc="lower right", fontsize=6)
        figure.supxlabel(figure_text(footer), fontsize=5, color=GREY)
    return figure
