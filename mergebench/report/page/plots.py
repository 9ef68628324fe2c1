"""Plots of a page: curves over numbers, and dots beside names."""

from __future__ import annotations

from dataclasses import dataclass

from mergebench.report.page.origin import Origin


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A point of a plot. `text`: the number as it is shown; `low` to `high`: its interval."""

    x: float
    y: float
    text: str
    low: float | None = None
    high: float | None = None
    origin: Origin | None = None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A named line through marks, in the order of their `x`."""

    name: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, kw_only=True)
class CurvePlot:
    """Curves over a horizontal axis of numbers; `marks` have intervals above and below.

    `y_range`: what the vertical axis shows at least. `x_ticks`: `(x, text)` where the axis shall
    not choose them itself. `small`: one of several beside each other,
    with the key of the one before them.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Curve, ...]
    y_range: tuple[float, float] | None = None
    x_ticks: tuple[tuple[float, str], ...] = ()
    small: bool = False


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A dot beside the name of a line: `value`, shown as `text`, and its interval."""

    name: str
    value: float
    text: str
    low: float | None = None
    high: float | None = None
    origin: Origin | None = None


@dataclass(frozen=True, kw_only=True)
class Dots:
    """A named set of dots, at most one per line."""

    name: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True, kw_only=True)
class DotPlot:
    """Dots on a horizontal axis of values, a line per name in the order in which they come.

    `x_range`: what the axis shows at least. `reference`: a value to compare with, and its name.
    """

    title: str
    x_label: str
    series: tuple[Dots, ...]
    x_range: tuple[float, float] | None = None
    reference: tuple[float, str] | None = None
