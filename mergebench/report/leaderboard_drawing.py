"""How the leaderboard is drawn: the target against the other tasks, in one panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mergebench.measure import BOUNDS, ZERO_SHOT, Level
from mergebench.report.drawing import GREY, WIDTH, colours, drawing_style, figure_text
from mergebench.report.labels import protection_label
from mergebench.report.leaderboard_places import LEFT_OUT, TAKEN, Place

_MARKERS = ("o", "s", "^", "D", "v", "P")
_MARGIN = 0.12
_REFERENCES = {LEFT_OUT: ("update left out", "X"), ZERO_SHOT: ("zero-shot", "*")}


def draw_leaderboard(places: Sequence[Place], *, footer: str) -> Figure:
    """Return the figure: a filled marker for what an attacker takes, open ones at bounded cost.

    Colours are protections and shapes are levels; a thin line joins what costs one attacker ever
    more. `footer` is one small line of context below it.
    """
    levels = list(dict.fromkeys(one.level for one in places if one.level is not None))
    found = list(dict.fromkeys(one.protection for one in places if one.protection is not None))
    looks = colours(set(found))
    with drawing_style():
        figure = Figure(figsize=(WIDTH, 3.1), layout="constrained")
        axes = figure.add_subplot()
        _draw_references(axes, places)
        for protection in found:
            for level, marker in zip(levels, _MARKERS, strict=False):
                own = [one for one in places if (one.protection, one.level) == (protection, level)]
                _draw_attacker(axes, own, looks[protection], marker)
        axes.set_xlabel("test accuracy on the other tasks (%)")
        axes.set_ylabel("test accuracy on the target (%)")
        axes.margins(_MARGIN)
        figure.legend(
            handles=_keys({name: looks[name] for name in found}, levels),
            frameon=False,
            loc="outside upper center",
            ncols=2,
            fontsize=6,
        )
        figure.supxlabel(figure_text(footer), fontsize=5, color=GREY)
    return figure


def _draw_references(axes: Axes, places: Sequence[Place]) -> None:
    for one in places:
        if one.kind not in _REFERENCES:
            continue
        label, marker = _REFERENCES[one.kind]
        axes.plot(one.others, one.target, marker, color=GREY, markersize=6, zorder=3)
        axes.annotate(
            label,
            (one.others, one.target),
            xytext=(0, -5),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=6,
            color=GREY,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
        )
        if one.kind == LEFT_OUT:
            axes.axvline(one.others, color=GREY, linewidth=0.5, linestyle=":", zorder=0)
            axes.axhline(one.target, color=GREY, linewidth=0.5, linestyle=":", zorder=0)


def _draw_attacker(axes: Axes, own: Sequence[Place], colour: str, marker: str) -> None:
    """Draw what one attacker may take of one protection."""
    frontier = [one for one in own if one.kind != TAKEN]
    axes.plot(
        [one.others for one in frontier],
        [one.target for one in frontier],
        color=colour,
        linewidth=0.7,
        zorder=1,
    )
    for one in own:
        taken = one.kind == TAKEN
        axes.plot(
            one.others,
            one.target,
            marker,
            color=colour,
            markersize=5 if taken else 3.5,
            markerfacecolor=colour if taken else "white",
            markeredgewidth=0.8,
            zorder=4 if taken else 3,
        )


def _keys(looks: Mapping[str, str], levels: Sequence[Level]) -> list[Line2D]:
    """Return the legend: a column of colours and one of shapes, equally long."""
    colours = [
        Line2D([], [], color=colour, linewidth=2, label=figure_text(protection_label(name)))
        for name, colour in looks.items()
    ]
    bounds = " or ".join(map(str, BOUNDS))
    colours.append(_key("o", f"costs at most {bounds} points", filled=False))
    shapes = [_key(marker, level.name) for level, marker in zip(levels, _MARKERS, strict=False)]
    length = max(len(colours), len(shapes))
    blank = [_key("", " ")] * length
    return [*colours, *blank[len(colours) :], *shapes, *blank[len(shapes) :]]


def _key(marker: str, label: str, *, filled: bool = True) -> Line2D:
    inside = GREY if filled else "white"
    return Line2D(
        *([], []),
        color=GREY,
        marker=marker,
        linestyle="",
        markersize=4,
        markerfacecolor=inside,
        label=label,
    )
