"""Small image operations that several task builders share; images are `(N, H, W, 3)` uint8 RGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Side of every image of the suite, in pixels.
SIDE = 32


def grey_to_rgb(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat grey images `(N, H, W)` over three channels."""
    return np.repeat(images[..., None], 3, axis=-1)


def pad_to_side(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Centre images `(N, H, W, 3)` no larger than 32 px on black."""
    rows, columns = (SIDE - size for size in images.shape[1:3])
    margins = [(0, 0)] + [(extra // 2, extra - extra // 2) for extra in (rows, columns)] + [(0, 0)]
    return np.pad(images, margins)


def resize_to_side(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resize images `(N, H, W, 3)` to 32 px with a bicubic filter."""
    resized = [
        np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        for image in images
    ]
    return np.stack(resized)
