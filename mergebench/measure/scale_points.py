"""Correct counts of one update at several scales."""

from __future__ import annotations

from collections.abc import Sequence

from mergebench.measure.evaluate import Deployment, Evaluator
from mergebench.measure.points import Point
from mergebench.updates import Update


def curve_points(
    evaluator: Evaluator, update: Update, split: str, scales: Sequence[float]
) -> tuple[Point, ...]:
    """Return the counts of `W0 + s ΔW` on a split, one point per scale s, which is its `alpha`."""
    points = []
    with Deployment(evaluator.backbone, update) as deployment:
        for scale in scales:
            deployment.set(scale)
            points.append(Point(options={}, alpha=scale, counts=evaluator.correct(split)))
    return tuple(points)
