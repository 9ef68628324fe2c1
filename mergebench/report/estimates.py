"""Estimates with their intervals as text."""

from __future__ import annotations

from mergebench.measure import Estimate, Interval
from mergebench.report.spread import MISSING, fixed


def estimate_text(estimate: Estimate | None, digits: int = 1) -> str:
    """Return a number with its interval in brackets; a dash where it is not defined."""
    if estimate is None:
        return MISSING
    interval = estimate.interval
    around = "" if interval is None else f"{interval.low:z.{digits}f}, {interval.high:z.{digits}f}"
    return f"{estimate.value:z.{digits}f} [{around or MISSING}]"


def points_text(estimate: Estimate) -> str:
    """Return a difference in points with its interval, as a sentence has it."""
    around = estimate.interval
    limits = "" if around is None else f" (95 %: {around.low:z.1f} to {around.high:z.1f})"
    return f"{estimate.value:z.1f} points{limits}"


def estimate_columns(estimate: Estimate | None, digits: int = 2) -> list[str]:
    """Return a number and the ends of its interval, empty where they are not defined."""
    if estimate is None:
        return [""] * 3
    return [fixed(estimate.value, digits), *interval_columns(estimate.interval, digits)]


def interval_columns(interval: Interval | None, digits: int = 2) -> list[str]:
    """Return the ends of an interval, empty where there is none."""
    ends = (None, None) if interval is None else (interval.low, interval.high)
    return [fixed(end, digits) for end in ends]
