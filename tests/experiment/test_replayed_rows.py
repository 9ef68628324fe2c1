"""What a row of a replayed table has of the cell that it is chosen from."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from report_data import MEASUREMENTS

from mergebench.errors import InputError
from mergebench.experiment.replaying import _rows
from mergebench.measure import DEGENERATE, EDGE, FULL, RULES, Cell, CellWarning, Merged, Point
from mergebench.measure.cell_warnings import COLLAPSED

ALPHAS = (0.1, 0.5, 1.0)
COUNTS = {0.1: (2, 9), 0.5: (8, 8), 1.0: (9, 2)}
"""Validation counts of a target and of another task, of 10 each: 0.5 is best for both."""


def cell(*tested: float) -> Cell:
    points = tuple(
        Point(
            options={},
            alpha=alpha,
            counts=dict(zip(("digits", "flags"), own, strict=True)),
            tested={"digits": 7} if alpha in tested else {},
        )
        for alpha, own in COUNTS.items()
    )
    protocol = {"norms": {"digits": 1.0, "flags": 1.0}, "later_wins": True}
    return SimpleNamespace(  # type: ignore[return-value]  # what rows are made of
        key="0123456789abcdef",
        inputs=SimpleNamespace(tasks=("digits", "flags"), protocol=protocol),
        results=SimpleNamespace(points=points, sizes={FULL: {"digits": 10, "flags": 10}}),
    )


def row() -> Merged:
    found = next(one for one in MEASUREMENTS.merged if one.target == "digits")
    doubts = [
        CellWarning(kind=kind, detail="said before") for kind in (DEGENERATE, COLLAPSED, EDGE)
    ]
    return replace(found, alpha=0.5, options={}, warnings=tuple(doubts))


def test_the_protocols_own_rule_keeps_what_the_search_came_to() -> None:
    """Ties between sweeps are broken as it went, which points alone do not tell."""
    assert [*_rows(row(), cell(), RULES["paper"], ALPHAS)] == [row()]


def test_a_row_at_another_point_has_the_warnings_that_still_hold() -> None:
    (moved,) = _rows(row(), cell(0.5, 1.0), RULES["target"], ALPHAS)
    assert (moved.alpha, moved.correct, moved.hits) == (1.0, {"digits": 7}, {})
    assert [one.kind for one in moved.warnings] == [DEGENERATE, EDGE]
    assert moved.warnings[1].detail == "alpha 1 is the largest of the grid"
    (inside,) = _rows(row(), cell(1.0), RULES["target"], (*ALPHAS, 2.0))
    assert [one.kind for one in inside.warnings] == [DEGENERATE]


def test_a_point_that_was_never_tested_is_no_row_without_counts() -> None:
    with pytest.raises(InputError, match="cell 0123456789ab has no test counts where rule target"):
        list(_rows(row(), cell(0.5), RULES["target"], ALPHAS))
