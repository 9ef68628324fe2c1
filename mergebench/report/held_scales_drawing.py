"""How scales of merged updates are drawn: what is kept of the target against its scale."""

from __future__ import annotations

from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mergebench.report.drawing import (
    GREY,
    LIGHT_GREY,
    PROTECTED_COLOURS,
    WIDTH,
    drawing_style,
    figure_text,
)
from mergebench.report.held_scales import HeldScales
from mergebench.report.labels import attack_label, protection_label

_HEIGHT = 1.5
"""Inches per panel."""

_LEGEND = 0.6
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_PER_LINE = 3


def draw_scales(held: HeldScales, *, footer: str) -> Figure:
    """Return the figure: a panel per protection, a mark per merge and target.

    Colours and shapes are attacks, whatever the space; a line is what updates keep alone. `footer`
    is one small line below it.
    """
    table = held.table
    attacks = list(dict.fromkeys(attack for attack, _ in table.columns))
    looks = dict(zip(attacks, zip(cycle(PROTECTED_COLOURS), cycle(_MARKERS)), strict=False))
    with drawing_style():
        size = (WIDTH, _LEGEND + _HEIGHT * len(table.protections))
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(
            len(table.protections), 1, sharex=True, sharey=True, squeeze=False
        )[:, 0]
        for axes, protection in zip(panels, table.protections, strict=True):
            _draw_panel(axes, held, protection, looks)
        panels[-1].set_xlabel("scale at which the merge holds the target's update")
        figure.supylabel("gain of fine-tuning that is kept on the target (%)", fontsize=7)
        # Of all panels: a protection may have no curve alone.
        marks = {
            label: handle
            for axes in panels
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            marks.values(),
            marks.keys(),
            frameon=False,
            loc="outside upper center",
            ncols=_PER_LINE,
            fontsize=6,
        )
        figure.supxlabel(figure_text(footer), fontsize=5, color=GREY)
    return figure


def _draw_panel(
    axes: Axes, held: HeldScales, protection: str, looks: dict[str, tuple[str, str]]
) -> None:
    axes.axvline(1, color=LIGHT_GREY, linewidth=0.6, zorder=0)
    for level in (0, 100):
        axes.axhline(level, color=LIGHT_GREY, linewidth=0.6, linestyle=":", zorder=0)
    curve = held.curves[protection]
    if curve:
        axes.plot(
            *zip(*curve, strict=True),
            color=GREY,
            linewidth=0.8,
            zorder=1,
            label="the update alone, mean",
        )
    for attack, (colour, marker) in looks.items():
        own = [
            (one.scale, one.kept)
            for one in held.updates
            if one.protection == protection and one.column[0] == attack and one.kept is not None
        ]
        axes.plot(
            [scale for scale, _ in own],
            [kept for _, kept in own],
            marker,
            color=colour,
            markersize=3,
            markeredgewidth=0,
            alpha=0.8,
            label=figure_text(attack_label(attack)),
        )
    axes.set_title(figure_text(protection_label(protection)), fontsize=7, pad=2)
