"""Which updates are scale-trapped, by a score of each, and how well the score tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from mergebench.measure.measurements import UNPROTECTED
from mergebench.measure.scale_response import ScaleResponse


@dataclass(frozen=True, kw_only=True)
class Scored:
    """An update and its response; of a release of a suite, also what it is, else empty."""

    label: str
    response: ScaleResponse
    protection: str = ""
    task: str = ""
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class RocPoint:
    """What is flagged when all scores from `threshold` on are: shares of both kinds of updates."""

    threshold: float
    protected: Fraction
    unprotected: Fraction


@dataclass(frozen=True, kw_only=True)
class Roc:
    """How well scores tell protected updates from unprotected ones.

    `area` under the curve: the share of pairs in which the protected update has the larger score, a
    tie counting half. `sizes`: how many of both kinds. `points`: one per distinct score, the
    largest first.
    """

    protection: str
    area: Fraction
    sizes: tuple[int, int]
    points: tuple[RocPoint, ...]


def roc(protection: str, protected: Sequence[float], unprotected: Sequence[float]) -> Roc:
    """Return the exact curve of two lists of scores; `ValueError` where one is empty."""
    if not protected or not unprotected:
        raise ValueError("a ROC needs scores of both kinds of updates")
    halves = sum((yes > no) + (yes >= no) for yes in protected for no in unprotected)
    points = tuple(
        RocPoint(
            threshold=score,
            protected=Fraction(sum(one >= score for one in protected), len(protected)),
            unprotected=Fraction(sum(one >= score for one in unprotected), len(unprotected)),
        )
        for score in sorted({*protected, *unprotected}, reverse=True)
    )
    area = Fraction(halves, 2 * len(protected) * len(unprotected))
    sizes = len(protected), len(unprotected)
    return Roc(protection=protection, area=area, sizes=sizes, points=points)


def rocs(found: Sequence[Scored]) -> tuple[Roc, ...]:
    """Return the curve of every protection among the releases, in the order of their mention.

    There is none where no unprotected release was scored.
    """
    scores: dict[str, list[float]] = {}
    for one in found:
        scores.setdefault(one.protection, []).append(one.response.score)
    plain = scores.pop(UNPROTECTED, [])
    scores.pop("", None)
    return tuple(roc(name, own, plain) for name, own in scores.items() if plain)
