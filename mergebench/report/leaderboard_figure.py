"""The leaderboard's figure as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mergebench.measure import Context
from mergebench.report.captions import headline
from mergebench.report.figure_files import write_pictures
from mergebench.report.labels import protection_key
from mergebench.report.leaderboard import Leaderboard
from mergebench.report.leaderboard_places import places
from mergebench.report.spread import fixed
from mergebench.report.writing import write_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_leaderboard_figure(
    board: Leaderboard, context: Context, folder: Path, stem: str
) -> list[Path]:
    """Write the figure as PNG and SVG, and its points as `<stem>_points.csv`.

    Returns the files. Raises `InputError` when one cannot be written.
    """
    from mergebench.report.leaderboard_drawing import draw_leaderboard  # Matplotlib takes a second.

    shown = places(board)

    def drawn() -> Figure:
        return draw_leaderboard(shown, footer=headline(context))

    header = ["backbone", "release", "point", "protection", "knowledge", "data"]
    header += ["target", "others", "left_out_instead", "picks"]
    rows = (
        [
            *(context.backbone, context.release, one.kind),
            "" if one.protection is None else protection_key(one.protection),
            *(("", "") if one.level is None else (one.level.knowledge, one.level.data)),
            *(fixed(one.target, 2), fixed(one.others, 2), one.none, one.picks),
        ]
        for one in shown
    )
    points = write_csv(folder / f"{stem}_points.csv", header, rows)
    return [*write_pictures(drawn, folder / stem, context), points]
