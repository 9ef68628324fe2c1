"""Sprite sheets: many equal tiles in one picture file, row by row."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Tiles per row of a sheet.
COLUMNS = 40
# WebP's slowest and densest setting; its output does not depend on the number of threads.
_EFFORT = 6


def pack_sheet(images: NDArray[np.uint8], *, lossless: bool, quality: int = 90) -> bytes:
    """Encode images `(N, S, S, 3)` uint8 RGB as one WebP file of `COLUMNS` tiles a row.

    The last row is filled up with black. `quality` (percent) counts only where not `lossless`.
    """
    count, side = images.shape[:2]
    rows = -(-count // COLUMNS)
    tiles = np.zeros((rows * COLUMNS, side, side, 3), dtype=np.uint8)
    tiles[:count] = images
    grid = tiles.reshape(rows, COLUMNS, side, side, 3).transpose(0, 2, 1, 3, 4)
    sheet = Image.fromarray(grid.reshape(rows * side, COLUMNS * side, 3))
    content = io.BytesIO()
    sheet.save(content, "WEBP", lossless=lossless, quality=quality, method=_EFFORT)
    return content.getvalue()


def unpack_sheet(content: bytes, *, count: int, side: int) -> NDArray[np.uint8]:
    """Decode the first `count` tiles of a sheet to `(count, side, side, 3)` uint8 RGB.

    Raises `ValueError` when the sheet has another width or too few rows.
    """
    sheet = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    rows = -(-count // COLUMNS)
    if sheet.shape[:2] != (rows * side, COLUMNS * side):
        raise ValueError(
            f"sheet of {sheet.shape[1]}x{sheet.shape[0]} px does not hold {count} tiles of "
            f"{side} px in {COLUMNS} columns"
        )
    tiles = sheet.reshape(rows, side, COLUMNS, side, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(tiles.reshape(-1, side, side, 3)[:count])
