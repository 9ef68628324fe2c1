"""How the leaderboard is drawn: the target against the other tasks, in one panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mergebench.measure import BOUNDS, UNPROTECTED, ZERO_SHOT, Level
from mergebench.plurals import how_many
from mergebench.report.drawing import (
    GREY,
    LIGHT_GREY,
    PROTECTED_COLOURS,
    WIDTH,
    colours,
    drawing_style,
    figure_text,
)
from mergebench.report.labels import protection_label
from mergebench.report.leaderboard_places import LEFT_OUT, TAKEN, Place

_MARKERS = ("o", "s", "^", "D", "v", "P")
_MARGIN = 0.12
_HEIGHT = 3.1
_SHORT_LEGEND = 6
_PER_LINE = 0.28
"""Inches per line of a legend that is longer: about half is its own, so that axes grow as well."""

_LABEL = 34
"""Characters of a label's line that leave the shapes' column its place."""

_REFERENCES = {LEFT_OUT: ("update left out", "X"), ZERO_SHOT: ("zero-shot", "*")}


def draw_leaderboard(places: Sequence[Place], *, footer: str) -> Figure:
    """Return the figure: a filled marker for what an attacker takes, open ones at bounded cost.

    Colours are protections and shapes are levels; a thin line joins what costs one attacker ever
    more. Of more protections than there are colours, those are told apart from which least is
    taken; of the others what is taken is grey, and the legend says how many they are. `footer` is
    one small line of context below it.
    """
    levels = list(dict.fromkeys(one.level for one in places if one.level is not None))
    found = list(dict.fromkeys(one.protection for one in places if one.protection is not None))
    told = _told_apart(places, found)
    looks = colours(set(told))
    with drawing_style():
        keys = _keys({name: looks[name] for name in told}, len(found) - len(told), levels)
        figure = Figure(figsize=(WIDTH, _height(keys)), layout="constrained")
        axes = figure.add_subplot()
        _draw_references(axes, places)
        for level, marker in zip(levels, _MARKERS, strict=False):
            of_level = [one for one in places if one.level == level]
            _draw_others(axes, [one for one in of_level if one.protection not in told], marker)
            for protection in told:
                own = [one for one in of_level if one.protection == protection]
                _draw_attacker(axes, own, looks[protection], marker)
        axes.set_xlabel("test accuracy on the other tasks (%)")
        axes.set_ylabel("test accuracy on the target (%)")
        axes.margins(_MARGIN)
        figure.legend(
            handles=keys,
            frameon=False,
            loc="outside upper center",
            ncols=2,
            fontsize=6,
        )
        figure.supxlabel(figure_text(footer), fontsize=5, color=GREY)
    return figure


def _height(keys: Sequence[Line2D]) -> float:
    """Return the figure's height in inches, for what `_keys` gave."""
    lines = sum(str(key.get_label()).count("\n") + 1 for key in keys[: len(keys) // 2])
    return _HEIGHT + _PER_LINE * max(0, lines - _SHORT_LEGEND)


def _told_apart(places: Sequence[Place], found: Sequence[str]) -> list[str]:
    """Return what has a colour of its own, as ordered in `found`: never more than there are."""
    protected = [one for one in found if one != UNPROTECTED]
    most = {
        name: max(one.target for one in places if one.protection == name and one.kind == TAKEN)
        for name in protected
    }
    best = {UNPROTECTED, *sorted(protected, key=most.__getitem__)[: len(PROTECTED_COLOURS)]}
    return [name for name in found if name in best]


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


def _draw_others(axes: Axes, places: Sequence[Place], marker: str) -> None:
    """Draw what is taken of protections that have no colour."""
    taken = [one for one in places if one.kind == TAKEN]
    axes.plot(
        [one.others for one in taken],
        [one.target for one in taken],
        marker,
        color=LIGHT_GREY,
        markersize=2.5,
        zorder=2,
    )


def _keys(looks: Mapping[str, str], others: int, levels: Sequence[Level]) -> list[Line2D]:
    """Return the legend: a column of colours and one of shapes, equally long.

    `others`: how many protections have no colour.
    """
    colours = [
        Line2D([], [], color=colour, linewidth=2, label=_wrapped(protection_label(name)))
        for name, colour in looks.items()
    ]
    if others:
        more = how_many(others, "other: see the table", "others: see the table")
        colours.append(Line2D([], [], color=LIGHT_GREY, linewidth=2, label=more))
    bounds = " or ".join(map(str, BOUNDS))
    colours.append(_key("o", f"costs at most {bounds} points", filled=False))
    shapes = [_key(marker, level.name) for level, marker in zip(levels, _MARKERS, strict=False)]
    length = max(len(colours), len(shapes))
    blank = [_key("", " ")] * length
    return [*colours, *blank[len(colours) :], *shapes, *blank[len(shapes) :]]


def _wrapped(label: str) -> str:
    lines = wrap(label, _LABEL, max_lines=3, placeholder=" …")
    return "\n".join(map(figure_text, lines))


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
