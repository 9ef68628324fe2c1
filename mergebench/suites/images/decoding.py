"""From an image of any size to the square that a backbone sees, as CLIP's image processor does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def square(image: Image.Image, resolution: int) -> NDArray[np.uint8]:
    """Return the middle of an image of 8 bits a channel, `(3, resolution, resolution)` uint8 RGB.

    The shorter side is resized to `resolution` px with Pillow's bicubic filter (the longer one
    rounded down), then the centre is cut out, half a pixel towards the upper left corner where it
    lies between pixels. Nothing else: the paper trains ViTs on these images as well (methods, 9.2).
    Source: Radford et al., 2021; the image processor of openai/clip-vit-base-patch32.
    """
    rgb = image.convert("RGB")
    width, height = rgb.size
    short = min(width, height)
    size = (resolution * width // short, resolution * height // short)
    if size != rgb.size:
        rgb = rgb.resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - resolution) // 2, (size[1] - resolution) // 2
    middle = rgb.crop((left, top, left + resolution, top + resolution))
    return np.ascontiguousarray(np.asarray(middle).transpose(2, 0, 1))
