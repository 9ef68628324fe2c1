"""Scores of updates that may be scale-trapped, in the terminal and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mergebench.measure import SCALES, Roc, ScaleResponse, Scored, rocs
from mergebench.report.labels import protection_label, release_label

_SHOWN = (0.8, 1.2)
_READING = (
    "score: how sharply embeddings turn at s = 1; cos: their cosine with those at s = 1; class: "
    "the share that is classified as at s = 1. No label is used."
)


def print_detection(scored: Sequence[Scored], console: Console) -> None:
    """Print a row per update, and of releases how well the score tells the protected ones."""
    table = Table(header_style="")
    table.add_column("update", overflow="fold")
    headings = ["score", *(f"{what} {scale:g}" for what in ("cos", "class") for scale in _SHOWN)]
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    kind = None
    for one in scored:
        if kind not in (None, (one.seed, one.protection)):
            table.add_section()
        kind = one.seed, one.protection
        table.add_row(_name(one, scored), *_numbers(one.response))
    console.print(table)
    for sentence in (_READING, *roc_sentences(scored)):
        console.print(Text(sentence, style="dim"))


def roc_sentences(scored: Sequence[Scored]) -> list[str]:
    """Return how well the scores tell each protection."""
    return [_sentence(curve) for curve in rocs(scored)]


def detection_text(scored: Sequence[Scored]) -> str:
    """Return all curves, scores and ROCs as JSON, numbers as they are."""
    updates = [
        {
            "update": one.label,
            **({"task": one.task, "protection": one.protection} if one.protection else {}),
            **({"seed": one.seed} if one.protection else {}),
            "score": one.response.score,
            "similarity": one.response.similarity,
            "agreement": one.response.agreement,
            "confidence": one.response.confidence,
        }
        for one in scored
    ]
    curves = [
        {
            "protection": curve.protection,
            "area": float(curve.area),
            "interval": curve.interval and [curve.interval.low, curve.interval.high],
            "points": [
                [point.threshold, float(point.protected), float(point.unprotected)]
                for point in curve.points
            ],
        }
        for curve in rocs(scored)
    ]
    return json.dumps({"scales": SCALES, "updates": updates, "roc": curves}, indent=2) + "\n"


def _name(one: Scored, among: Sequence[Scored]) -> str:
    if not one.protection:
        return one.label
    seed = f", seed {one.seed}" if len({other.seed for other in among}) > 1 else ""
    return f"{one.task} {release_label(one.protection)}{seed}"


def _numbers(response: ScaleResponse) -> Iterator[str]:
    places = [SCALES.index(scale) for scale in _SHOWN]
    yield f"{response.score:.2f}"
    yield from (f"{response.similarity[place]:.3f}" for place in places)
    yield from (f"{response.agreement[place]:.2f}" for place in places)


def _sentence(curve: Roc) -> str:
    best = max(curve.points, key=lambda point: point.protected - point.unprotected)
    protected, others = curve.sizes
    interval = curve.interval
    around = "" if interval is None else f" [{interval.low:.3f}, {interval.high:.3f}]"
    return (
        f"{protection_label(curve.protection)} ({protected}) against unprotected ({others}): area "
        f"under the ROC {float(curve.area):.3f}{around}; scores from {best.threshold:.2f} on, a "
        f"threshold chosen on these very updates, flag {100 * float(best.protected):.0f} % of the "
        f"protected and {100 * float(best.unprotected):.0f} % of the others."
    )
