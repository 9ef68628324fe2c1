"""Chess piece sets of the Debian packages pychess and eboard, as one drawing per piece."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mergebench.provenance.suite.glyphs import glyph
from mergebench.provenance.suite.rendering import Pixels, rasterise_svg

#: Pieces in class order: white first, then black.
PIECES = tuple(
    f"{colour} {piece}"
    for colour in ("white", "black")
    for piece in ("king", "queen", "rook", "bishop", "knight", "pawn")
)
_CELL = 96
# Characters of the pieces in pychess's chess fonts, in class order; set "cheq" differs.
_FONT_CHARACTERS = "kqrbnplwtvmo"
_FONT_CHARACTERS_CHEQ = "kqrbhplwtnjo"
# Columns of an eboard sheet; its rows are white and black, its last column the board.
_EBOARD_COLUMNS = ("rook", "knight", "bishop", "queen", "king", "pawn")


def pychess_files(folder: Path) -> list[Pixels]:
    """Read a set with one SVG file per piece ("wk.svg")."""
    names = [f"{colour}{piece}" for colour in "wb" for piece in "kqrbnp"]
    documents = [(folder / f"{name}.svg").read_text(encoding="utf-8") for name in names]
    return [_squared(rasterise_svg(document, _CELL)) for document in documents]


def pychess_sheet(path: Path) -> list[Pixels]:
    """Read a set drawn as one SVG sheet: columns in class order, black above white."""
    sheet = rasterise_svg(path.read_text(encoding="utf-8"), 6 * _CELL)
    black, white = (_cells(sheet, rows=2, columns=6)[row] for row in (0, 1))
    return [*white, *black]


def pychess_font(path: Path) -> list[Pixels]:
    """Draw a set from a chess font: black lines, and white pieces filled with white."""
    characters = _FONT_CHARACTERS_CHEQ if path.stem == "cheq" else _FONT_CHARACTERS
    return [_squared(_filled(glyph(path, character))) for character in characters]


def eboard_sheet(path: Path) -> list[Pixels]:
    """Read an eboard sheet of two rows and seven columns on a key colour."""
    image = np.asarray(Image.open(path).convert("RGBA")).copy()
    key = image[0, 0, :3]
    image[..., 3] = np.where((image[..., :3] == key).all(axis=2), 0, 255)
    cells = _cells(image, rows=2, columns=7)
    named = [dict(zip(_EBOARD_COLUMNS, row, strict=False)) for row in cells]
    return [
        _squared(named[colour == "black"][piece])
        for colour, piece in (name.split() for name in PIECES)
    ]


def _cells(sheet: Pixels, *, rows: int, columns: int) -> list[list[Pixels]]:
    height, width = sheet.shape[0] // rows, sheet.shape[1] // columns
    return [
        [
            sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
            for column in range(columns)
        ]
        for row in range(rows)
    ]


def _squared(image: Pixels) -> Pixels:
    """Pad an RGBA image to a square with transparent pixels, the drawing in the middle."""
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 4), dtype=np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square


def _filled(ink: Pixels) -> Pixels:
    """Fill with white what the ink encloses."""
    # Imported here: only the builder needs SciPy.
    from scipy.ndimage import binary_fill_holes

    solid = binary_fill_holes(ink[..., 3] > 127)
    alpha = np.maximum(ink[..., 3], np.where(solid, 255, 0)).astype(np.uint8)
    white = np.where(solid, 255 - ink[..., 3], 0).astype(np.uint8)
    return np.dstack([white, white, white, alpha])
