"""Scores of a suite's releases, and how well they tell the protected ones, as files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mergebench.measure import SCALES, Context, Detection, Interval, Roc, Scored, rocs
from mergebench.report.captions import headline, markdown_caption
from mergebench.report.detection import roc_sentences
from mergebench.report.figure_files import write_pictures
from mergebench.report.labels import protection_label, release_key, release_label
from mergebench.report.markdown import markdown_text, pipe_table
from mergebench.report.spread import MISSING
from mergebench.report.writing import write_csv, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_detection(detection: Detection, folder: Path, stem: str) -> list[Path]:
    """Write scores as Markdown and CSV, the ROCs as `<stem>_roc.csv`, and their figure.

    Without a protection there is no ROC, and no figure. Returns the files. Raises `InputError` when
    one cannot be written.
    """
    context, scored = detection.context, detection.scored
    curves = rocs(scored)
    files = [
        write_text(folder / f"{stem}.md", _markdown(scored, curves, context)),
        _write_scores(folder / f"{stem}.csv", scored, context),
    ]
    if not curves:
        return files
    from mergebench.report.detection_drawing import draw_rocs  # Matplotlib takes a second.

    def drawn() -> Figure:
        return draw_rocs(curves, footer=headline(context))

    points = _write_curves(folder / f"{stem}_roc.csv", curves, context)
    return [*files, points, *write_pictures(drawn, folder / stem, context)]


_READING = (
    "Score: how sharply embeddings turn at s = 1, the curvature there of their mean cosine with "
    "those at s = 1. Area: the share of pairs of a protected and an unprotected update in which "
    "the protected one has the larger score. Its interval is of other tasks like these, drawn "
    "again with all their updates; where the scores of these tasks do not overlap it says nothing."
)


def _markdown(scored: Sequence[Scored], curves: Sequence[Roc], context: Context) -> str:
    said = "".join(f"- {markdown_text(one)}\n" for one in (_READING, *roc_sentences(scored)))
    areas = pipe_table(_AREA_HEADINGS, [_area_cells(one) for one in curves]) + "\n"
    return (
        f"# Detection\n\n{areas if curves else ''}{_scores(scored)}\n{said}\n"
        f"## How it came about\n\n{markdown_caption(context)}"
    )


_AREA_HEADINGS = ("protection", "area under the ROC", "95 % interval over tasks", "pairs")


def _area_cells(curve: Roc) -> list[str]:
    low, high = _ends(curve.interval, 3)
    around = f"{low} to {high}" if low else MISSING
    name = markdown_text(protection_label(curve.protection))
    return [name, f"{float(curve.area):.3f}", around, str(curve.pairs)]


def _scores(scored: Sequence[Scored]) -> str:
    """Return a row per task and seed, with the score of every kind of release."""
    kinds = list(dict.fromkeys(one.protection for one in scored))
    found = {(one.seed, one.task, one.protection): one.response.score for one in scored}
    rows = [
        [
            markdown_text(task),
            str(seed),
            *(
                f"{found[seed, task, kind]:.2f}" if (seed, task, kind) in found else MISSING
                for kind in kinds
            ),
        ]
        for seed, task in dict.fromkeys((one.seed, one.task) for one in scored)
    ]
    headings = [f"score, {release_label(kind)}" for kind in kinds]
    return pipe_table([markdown_text(one) for one in ("task", "seed", *headings)], rows)


def _write_scores(file: Path, scored: Sequence[Scored], context: Context) -> Path:
    curves = ("similarity", "agreement", "confidence")
    header = [
        *("backbone", "release", "row", "task", "seed", "score"),
        *(f"{curve}_{scale:g}" for curve in curves for scale in SCALES),
    ]
    rows = (
        [
            *(context.backbone, context.release, release_key(one.protection), one.task, one.seed),
            f"{one.response.score:.4f}",
            *(f"{value:.4f}" for curve in curves for value in getattr(one.response, curve)),
        ]
        for one in scored
    )
    return write_csv(file, header, rows)


def _write_curves(file: Path, curves: Sequence[Roc], context: Context) -> Path:
    header = [
        *("backbone", "release", "protection", "threshold", "flagged_protected"),
        *("flagged_unprotected", "area", "area_low_95", "area_high_95", "pairs"),
    ]
    return write_csv(file, header, (row for one in curves for row in _points(one, context)))


def _points(curve: Roc, context: Context) -> Iterator[list[object]]:
    area = [f"{float(curve.area):.4f}", *_ends(curve.interval, 4), curve.pairs]
    for point in curve.points:
        shares = (100 * float(share) for share in (point.protected, point.unprotected))
        yield [
            *(context.backbone, context.release, curve.protection, f"{point.threshold:.4f}"),
            *(f"{share:.2f}" for share in shares),
            *area,
        ]


def _ends(interval: Interval | None, digits: int) -> tuple[str, str]:
    if interval is None:
        return "", ""
    return f"{interval.low:.{digits}f}", f"{interval.high:.{digits}f}"
