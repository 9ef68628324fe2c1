"""Where the parts of a plot stand, in percent of its area, so that it fits any width.

Texts keep their size: only places are in percent. Paths are in a box of 1000 by 1000 that is
stretched over the area.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from mergebench.report.page.origin import Origin
from mergebench.report.page.plots import Curve, CurvePlot, Dot, DotPlot, Mark

_BOX = 10
"""Units of the stretched box per percent."""

_FEW = 16
"""Marks of a curve up to which each is drawn."""


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A place on an axis, in percent from the left or from the top, and what stands there."""

    place: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """A mark: where it and the ends of its interval stand, in percent, and what it says.

    `row` and `column`: which of the curves or names, and which of its marks, for arrow keys.
    """

    x: float
    y: float
    low: float | None
    high: float | None
    label: str
    row: int
    column: int
    origin: Origin | None


@dataclass(frozen=True, kw_only=True)
class DrawnCurve:
    """A curve as the path of a line, and the outline of its intervals; empty without them."""

    name: str
    line: str
    band: str
    few: bool
    marks: tuple[Place, ...]


@dataclass(frozen=True, kw_only=True)
class DrawnCurves:
    """A plot of curves, ready to be written."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    curves: tuple[DrawnCurve, ...]


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A name and the dots beside it, each with the number of its series."""

    name: str
    dots: tuple[tuple[int, Place], ...]


@dataclass(frozen=True, kw_only=True)
class DrawnDots:
    """A plot of dots, ready to be written."""

    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]
    reference: Tick | None


def drawn_curves(plot: CurvePlot) -> DrawnCurves:
    """Return where everything stands."""
    marks = [mark for curve in plot.series for mark in curve.marks]
    across = [mark.x for mark in marks]
    x_texts = dict(plot.x_ticks) or _ticks(across)
    x_ends = (min([*across, *x_texts]), max([*across, *x_texts]))
    y_texts = _ticks([*(mark.y for mark in marks), *_ends(marks), *(plot.y_range or ())])
    x, y = _scale(*x_ends), _scale(max(y_texts), min(y_texts))
    return DrawnCurves(
        x_ticks=_placed(x_texts, x),
        y_ticks=_placed(y_texts, y),
        curves=tuple(
            _curve(plot, curve, row, x, y, dict(plot.x_ticks))
            for row, curve in enumerate(plot.series)
        ),
    )


def drawn_dots(plot: DotPlot) -> DrawnDots:
    """Return where everything stands, a lane per name."""
    dots = [dot for series in plot.series for dot in series.dots]
    compared = [plot.reference[0]] if plot.reference else []
    values = [dot.value for dot in dots]
    texts = _ticks([*values, *_ends(dots), *compared, *(plot.x_range or ())])
    x = _scale(min(texts), max(texts))
    names = list(dict.fromkeys(dot.name for dot in dots))
    lanes = []
    for row, name in enumerate(names):
        found = [
            (number, _dot(series.name, dot, row, number, x, _height(number, len(plot.series))))
            for number, series in enumerate(plot.series)
            for dot in series.dots
            if dot.name == name
        ]
        lanes.append(Lane(name=name, dots=tuple(found)))
    named = dict([plot.reference]) if plot.reference else {}
    return DrawnDots(
        ticks=_placed(texts, x), lanes=tuple(lanes), reference=next(iter(_placed(named, x)), None)
    )


def _height(number: int, count: int) -> float:
    """Return where a series stands in its lane, so that intervals do not cover each other."""
    return round(50 + (number - (count - 1) / 2) * min(26, 78 / count), 2)


def _curve(
    plot: CurvePlot,
    curve: Curve,
    row: int,
    x: Callable[[float], float],
    y: Callable[[float], float],
    names: dict[float, str],
) -> DrawnCurve:
    places = tuple(
        Place(
            x=x(mark.x),
            y=y(mark.y),
            low=None if mark.low is None else y(mark.low),
            high=None if mark.high is None else y(mark.high),
            label=f"{curve.name}, {plot.x_label} {names.get(mark.x, f'{mark.x:g}')}: "
            + _said(mark.text, mark.low, mark.high),
            row=row,
            column=column,
            origin=mark.origin,
        )
        for column, mark in enumerate(curve.marks)
    )
    ends = [(p.x, p.low, p.high) for p in places if p.low is not None and p.high is not None]
    around = [(at, low) for at, low, _ in ends] + [(at, high) for at, _, high in reversed(ends)]
    return DrawnCurve(
        name=curve.name,
        line=_path((place.x, place.y) for place in places),
        band=f"{_path(around)}Z" if len(ends) > 1 else "",
        few=len(places) <= _FEW,
        marks=places,
    )


def _dot(
    series: str, dot: Dot, row: int, column: int, x: Callable[[float], float], y: float
) -> Place:
    return Place(
        x=x(dot.value),
        y=y,
        low=None if dot.low is None else x(dot.low),
        high=None if dot.high is None else x(dot.high),
        label=f"{dot.name}, {series}: {_said(dot.text, dot.low, dot.high)}",
        row=row,
        column=column,
        origin=dot.origin,
    )


def _said(text: str, low: float | None, high: float | None) -> str:
    return text if low is None or high is None else f"{text} ({low:.4g} to {high:.4g})"


def _ends(marks: Sequence[Mark] | Sequence[Dot]) -> Iterator[float]:
    """Yield the ends of all intervals."""
    for mark in marks:
        yield from (end for end in (mark.low, mark.high) if end is not None)


def _ticks(values: Iterable[float]) -> dict[float, str]:
    """Return round numbers around `values` and their texts."""
    known = list(values) or [0.0, 1.0]
    steps = MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(min(known), max(known))
    return {float(step): f"{round(float(step), 10):g}" for step in steps}


def _placed(texts: dict[float, str], scale: Callable[[float], float]) -> tuple[Tick, ...]:
    return tuple(Tick(place=scale(value), text=text) for value, text in texts.items())


def _scale(start: float, end: float) -> Callable[[float], float]:
    """Return what gives percent of the way from `start` to `end`."""
    return lambda value: round(100 * (value - start) / ((end - start) or 1), 2)


def _path(places: Iterable[tuple[float, float]]) -> str:
    return "".join(
        f"{'L' if number else 'M'}{_BOX * x:.1f} {_BOX * y:.1f}"
        for number, (x, y) in enumerate(places)
    )
