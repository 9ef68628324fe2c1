"""What a protected adapter gains at its own scale and loses at others, and how sure that is."""

from __future__ import annotations

from typing import Literal

from mergebench.measure import (
    OFF_NOMINAL,
    UNPROTECTED,
    ZERO_SHOT,
    Estimate,
    Measurements,
    ScaleCurve,
    unpaired_interval,
)
from mergebench.report.spread import percent

LEAST_LOSS = 5.0
"""Points: a trap that costs a re-scaled update less is none to rely on."""

TrapFound = Literal["none", "perhaps", "some"]


def lost_when_rescaled(measurements: Measurements) -> Estimate | None:
    """Return by how many points the protected update is worse than the plain one off scale 1.

    Of the mean test accuracy over `OFF_NOMINAL`; None unless both were measured.
    """
    curves = {curve.release: curve for curve in measurements.curves}
    plain = curves.pop(UNPROTECTED, None)
    if plain is None or not curves:
        return None
    protected = next(iter(curves.values()))
    return difference(off_nominal_mean(plain), off_nominal_mean(protected), plain.size)


def gained_alone(measurements: Measurements, release: str) -> Estimate:
    """Return by how many points a release at scale 1 is better than the model without it."""
    rows = {row.release: percent(row.correct, row.size) for row in measurements.standalone}
    size = next(row.size for row in measurements.standalone if row.release == release)
    return difference(rows[release], rows[ZERO_SHOT], size)


def off_nominal_mean(curve: ScaleCurve) -> float:
    """Return the mean accuracy of a curve over `OFF_NOMINAL`, in percent."""
    counts = [curve.correct[curve.scales.index(scale)] for scale in OFF_NOMINAL]
    return percent(sum(counts), curve.size * len(counts))


def difference(first: float, second: float, size: int) -> Estimate:
    """Return one accuracy of `size` inputs minus another one, in points."""
    return Estimate(value=first - second, interval=unpaired_interval(first, second, size))


def trap_found(lost: Estimate) -> TrapFound:
    """Return whether there is a trap, by what re-scaling costs.

    There is none to rely on below `LEAST_LOSS`; perhaps one where as much may be chance.
    """
    if lost.value < LEAST_LOSS:
        return "none"
    return "some" if lost.is_above_chance else "perhaps"
