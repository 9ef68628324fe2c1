"""The twelve chess pieces on board squares, in piece sets that differ between the pools."""

from __future__ import annotations

import numpy as np

from mergebench.provenance.suite.backdrops import (
    PHOTO_SOURCE,
    board_squares,
    mixed,
    photo_backdrops,
)
from mergebench.provenance.suite.chess_sets import (
    PIECES,
    eboard_sheet,
    pychess_files,
    pychess_font,
    pychess_sheet,
)
from mergebench.provenance.suite.packages import PackageCache
from mergebench.provenance.suite.pins import pinned
from mergebench.provenance.suite.rendering import Pixels
from mergebench.provenance.suite.scenes import (
    LARGE_SIZES,
    Backdrop,
    Disturbance,
    Drawing,
    render_splits,
)
from mergebench.provenance.suite.task_images import LabelledImages, Source, TaskImages

_PYCHESS = pinned("debian", "pychess")
_EBOARD = pinned("debian", "eboard")

# Pool -> source of a set -> names. Sets that redraw one another or share an artist share a pool.
SETS = {
    "train": {
        "files": "alfonso cburnett magnetic maya regular freestaunton kosal",
        "sheet": "celtic fantasy fantasy_alt spatial",
        "font": "adventurer cases cheq kingdom leipzig line magnetic maroquin maya merida",
        "eboard": "Adventurer Altinov Book ChessBase Cmf Diagram Dyche1 Dyche2 Jumbo Kingdom "
        "Leipzig Mayan OldClassicDark Primepov Rastapov SadGreen Slics Staunton Traveler WCN "
        "classic plastic",
    },
    "held out": {
        "files": "alpha metaltops",
        "font": "condal lucena mark usual",
        "eboard": "Alpha Berlin Chap Utretch Usual Vision Yahoo",
    },
    "captioned": {
        "files": "kilfiger pirat",
        "sheet": "eyes",
        "font": "harlequin medieval motif",
        "eboard": "Dominical72 Ebony Enquil Harlequin Lcd",
    },
}
# The pools and the view of the first rendering, whose captioned images pretraining has seen.
_FIRST_SETS = {
    "train": {
        "files": "alfonso alpha cburnett magnetic maya regular",
        "font": "cheq kingdom leipzig line magnetic maroquin maya merida usual",
        "eboard": "Alpha Altinov Book ChessBase Cmf Diagram Dyche1 Dyche2 Jumbo Kingdom Leipzig "
        "Mayan OldClassicDark Primepov Rastapov SadGreen Slics Staunton Traveler Usual WCN classic "
        "plastic",
    },
    "held out": {
        "files": "freestaunton kosal metaltops",
        "sheet": "celtic fantasy fantasy_alt spatial",
        "font": "adventurer cases condal lucena mark",
        "eboard": "Adventurer Berlin Chap Utretch Vision Yahoo",
    },
    "captioned": SETS["captioned"],
}

_DISTURBANCE = Disturbance(
    extent=(0.75, 1.0),
    shift=0.04,
    corner_shift=0.05,
    rotation=8,
    light=0.3,
    blur=0.8,
    noise=5,
)
_FIRST_DISTURBANCE = Disturbance(
    extent=(0.65, 1.0),
    shift=0.08,
    corner_shift=0.08,
    rotation=15,
    light=0.3,
    blur=1.5,
    noise=6,
)


def build(packages: PackageCache, generator: np.random.Generator) -> TaskImages:
    """Render pieces on squares of random colours, a fifth of them over photos."""
    backdrops = {
        pool: mixed(photos, board_squares, 0.2)
        for pool, photos in photo_backdrops(packages).items()
    }
    held = {pool: SETS[pool] for pool in ("train", "held out")}
    drawings = {pool: variants(packages, names) for pool, names in held.items()}
    return TaskImages(
        name="chess",
        classes=PIECES,
        templates=("a {} on a chess board", "the {} of a chess set", "a chess piece: {}"),
        sources=(
            Source.of(_PYCHESS, licence="GPL-3+", what="piece sets (SVG and chess fonts)"),
            Source.of(_EBOARD, licence="GPL-2+", what="piece sets (PNG sheets)"),
            PHOTO_SOURCE,
        ),
        note="rendered; piece sets and photos differ between train, val with test, and captioned; "
        "captioned images are under stronger disturbance.",
        rendered=True,
        splits={
            **render_splits(drawings, backdrops, _DISTURBANCE, generator, LARGE_SIZES),
            "captioned": _first_captioned(packages, backdrops),
        },
    )


def _first_captioned(packages: PackageCache, backdrops: dict[str, Backdrop]) -> LabelledImages:
    """Repeat the first rendering for the images that pretraining has seen."""
    drawings = {pool: variants(packages, names) for pool, names in _FIRST_SETS.items()}
    first = render_splits(drawings, backdrops, _FIRST_DISTURBANCE, np.random.default_rng([0]))
    return first["captioned"]


def variants(packages: PackageCache, names: dict[str, str]) -> list[list[Drawing]]:
    """Return, for each piece, its drawing in every set of a pool."""
    pieces = packages.path(_PYCHESS) / "usr/share/pychess/pieces"
    sheets = packages.path(_EBOARD) / "usr/share/games/eboard"
    read = {
        "files": lambda name: pychess_files(pieces / name),
        "sheet": lambda name: pychess_sheet(pieces / name / f"{name}.svg"),
        "font": lambda name: pychess_font(pieces / "ttf" / f"{name}.ttf"),
        "eboard": lambda name: eboard_sheet(sheets / f"{name}.png"),
    }
    sets = [read[kind](name) for kind, listed in names.items() for name in listed.split()]
    return [[_constant(pieces[label]) for pieces in sets] for label in range(len(PIECES))]


def _constant(piece: Pixels) -> Drawing:
    return lambda generator: piece
