"""From whatever an image file holds to what a viewer shows: turned, in RGB, on white."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

_ORIENTATION = 0x0112
_TURNS: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LONGEST = 100


def of_eight_bits(image: Image.Image) -> Image.Image:
    """Return an image with 16 bits of grey as one with 8, and others as they are.

    Pillow's own conversion would clip the 16 bits to white. Raises `ValueError` for values whose
    white is not known (32 bits).
    """
    # Pillow opens a PGM of 16 bits as 32 bits, and stretches its values to 65535.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        grey = (np.asarray(image).astype(np.uint32) + 128) // 257
        return Image.fromarray(grey.astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("its pixels have 32 bits, and which value is white is not known")
    return image


def as_shown(image: Image.Image) -> Image.Image:
    """Return an image in RGB as a viewer shows it.

    It is turned as its EXIF data say, 16 bits of grey become 8, and what is transparent is white.
    Of several frames the first is taken. Raises `ValueError` for values whose white is not known
    (32 bits), for colours that Pillow does not convert, and for a strip.
    """
    if max(image.size) > _LONGEST * min(image.size):
        raise ValueError(f"one side is more than {_LONGEST} times the other; cut it")
    turn = _TURNS.get(_orientation(image))
    shallow = of_eight_bits(image)
    turned = shallow if turn is None else shallow.transpose(turn)
    if not turned.has_transparency_data:
        return turned.convert("RGB")
    seen = turned.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")


def _orientation(image: Image.Image) -> int:
    """Return the orientation that is noted; 1, as it is, where the notes are damaged."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # whatever a parser of damaged notes comes across
        return 1
