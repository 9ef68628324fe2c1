"""The leaderboard's figure is readable however many protections there are."""

from __future__ import annotations

import pytest
from leaderboard_data import LEVELS
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from mergebench.measure import ZERO_SHOT
from mergebench.report.drawing import LIGHT_GREY
from mergebench.report.leaderboard_drawing import draw_leaderboard
from mergebench.report.leaderboard_places import LEFT_OUT, TAKEN, Place

LONG = "[strength=0.35,scale_max=1.36,band=0.35,cap=1.0,until=0.45]"


def places(count: int, options: str = "") -> list[Place]:
    """Return what is taken of so many, of `cover0` least and of `none` most."""
    found = [
        Place(kind=ZERO_SHOT, target=42, others=42),
        Place(kind=LEFT_OUT, target=40, others=49),
    ]
    names = ["none", *(f"cover{place}{options}" for place in reversed(range(count - 1)))]
    for shift, level in enumerate(LEVELS):
        for place, name in enumerate(names):
            target, others = 50 - 20 * place / count + 2 * shift, 48 - 2 * (place % 3)
            found += [
                Place(kind=TAKEN, target=target, others=others, protection=name, level=level),
                Place(
                    kind="theft_1", target=target, others=others - 1, protection=name, level=level
                ),
            ]
    return found


def drawn(found: list[Place]) -> Figure:
    figure = draw_leaderboard(found, footer="made up")
    figure.draw_without_rendering()  # lays it out
    return figure


def labels(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts() if text.get_text().strip()]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("options", ["", LONG])
@pytest.mark.parametrize("count", [1, 3, 12, 30, 100])
def test_axes_keep_half_of_the_figure_and_the_legend_stays_inside(count: int, options: str) -> None:
    figure = drawn(places(count, options))
    (axes,), (legend,) = figure.axes, figure.legends
    place = axes.get_position()
    assert place.width >= 0.5
    assert place.height >= 0.5
    inside = legend.get_window_extent().transformed(figure.transFigure.inverted())
    assert 0 <= inside.x0 < inside.x1 <= 1
    assert place.y1 <= inside.y0 < inside.y1 <= 1


def test_few_protections_are_all_named() -> None:
    assert labels(drawn(places(4))) == [
        *("unprotected", "cover2", "cover1", "cover0", "costs at most 1 or 5 points"),
        *("blind, no data", "informed, no data"),
    ]


def test_of_many_those_of_which_least_is_taken_are_named_and_the_others_counted() -> None:
    figure = drawn(places(100))
    first, *named, others, _, _, _ = labels(figure)
    assert first == "unprotected"
    assert named == [f"cover{place}" for place in reversed(range(8))]
    assert others == "91 others: see the table"
    grey = [line for line in figure.axes[0].lines if line.get_color() == LIGHT_GREY]
    assert sum(len(line.get_xdata()) for line in grey) == 91 * len(LEVELS)


def test_no_two_protections_look_alike() -> None:
    (legend,) = drawn(places(100)).legends
    lines = legend.get_lines()[:10]
    assert len({to_hex(line.get_color()) for line in lines}) == 10


def test_one_that_is_left_is_counted_as_one() -> None:
    assert "1 other: see the table" in labels(drawn(places(10)))
