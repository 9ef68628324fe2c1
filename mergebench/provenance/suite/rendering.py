"""Drawing for rendered tasks: rasterise vector art, place it on a backdrop, disturb the view.

All images here are uint8 arrays `(H, W, 3)` RGB or `(H, W, 4)` RGBA with straight alpha, and all
randomness comes from the `numpy.random.Generator` that the caller passes.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]


def rasterise_svg(svg: str, size: int) -> Pixels:
    """Draw an SVG document with its longer side `size` px; returns `(h, w, 4)` uint8 RGBA.

    Raises `ValueError` when the document is not drawable.
    """
    wide = _decode_svg(svg, width=size)
    return wide if wide.shape[0] <= size else _decode_svg(svg, height=size)


def _decode_svg(svg: str, *, width: int | None = None, height: int | None = None) -> Pixels:
    # Text is never drawn: it would depend on the fonts of the machine.
    png = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True, width=width, height=height)
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))


def fit_square(image: Pixels, size: int, margin: int = 0) -> Pixels:
    """Scale `(h, w, 4)` RGBA to fit a transparent `size`-px square, centred, aspect kept.

    The drawing stays `margin` px away from the border; colours are averaged weighted by alpha.
    """
    height, width = image.shape[:2]
    scale = (size - 2 * margin) / max(height, width)
    target = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Mode RGBa is premultiplied, so transparent pixels do not bleed their colour into the edges.
    scaled = Image.fromarray(image).convert("RGBa").resize(target, Image.Resampling.LANCZOS)
    canvas = np.zeros((size, size, 4), dtype=np.uint8)
    top, left = (size - target[1]) // 2, (size - target[0]) // 2
    canvas[top : top + target[1], left : left + target[0]] = np.asarray(scaled.convert("RGBA"))
    return canvas


def crop_to_ink(image: Pixels) -> Pixels:
    """Cut the fully transparent border off an RGBA image; raises `ValueError` if all of it is."""
    inked = image[..., 3] > 0
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if rows.size == 0:
        raise ValueError("image is fully transparent: nothing to crop to")
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def composite(foreground: Pixels, background: Pixels) -> Pixels:
    """Lay RGBA `foreground` over RGB `background` of the same size; returns RGB."""
    alpha = foreground[..., 3:].astype(np.float32) / 255
    mixed = foreground[..., :3] * alpha + background * (1 - alpha)
    return np.rint(mixed).astype(np.uint8)


def random_view(
    image: Pixels, generator: np.random.Generator, *, corner_shift: float, rotation: float
) -> Pixels:
    """View an RGBA image under a random perspective; returns the same shape.

    Each corner moves by up to `corner_shift` (fraction of the side) per axis after a turn of up to
    `rotation` degrees about the centre; uncovered pixels are transparent.
    """
    height, width = image.shape[:2]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float64)
    centre = np.array([width / 2, height / 2])
    angle = np.deg2rad(generator.uniform(-rotation, rotation))
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    shift = generator.uniform(-corner_shift, corner_shift, size=(4, 2)) * (width, height)
    moved = (corners - centre) @ turn.T + centre + shift
    coefficients = _homography(moved, corners)
    premultiplied = Image.fromarray(image).convert("RGBa")
    warped = premultiplied.transform(
        (width, height),
        Image.Transform.PERSPECTIVE,
        tuple(coefficients),
        Image.Resampling.BICUBIC,
    )
    return np.asarray(warped.convert("RGBA"))


def _homography(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve for the eight coefficients that map four `source` points to four `target` points."""
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    return np.linalg.solve(np.array(rows), target.reshape(8))


def random_light(image: Pixels, generator: np.random.Generator, *, strength: float) -> Pixels:
    """Change brightness, contrast and white balance of an RGB image, with a light gradient.

    `strength` is the largest relative change of each (0 leaves the image as it is).
    """
    height, width = image.shape[:2]
    brightness, contrast, slope_x, slope_y = generator.uniform(-strength, strength, size=4)
    balance = generator.uniform(-strength, strength, size=3) / 3
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    gain = (1 + brightness + slope_x * x + slope_y * y)[..., None] * (1 + balance)
    pixels = (image.astype(np.float64) - 128) * (1 + contrast) + 128
    lit: Pixels = np.clip(np.rint(pixels * gain), 0, 255).astype(np.uint8)
    return lit


def random_blur(image: Pixels, generator: np.random.Generator, *, radius: float) -> Pixels:
    """Blur an RGB image with a Gaussian of up to `radius` px."""
    blurred = Image.fromarray(image).filter(
        ImageFilter.GaussianBlur(float(generator.uniform(0, radius)))
    )
    return np.asarray(blurred)


def random_noise(image: Pixels, generator: np.random.Generator, *, deviation: float) -> Pixels:
    """Add Gaussian pixel noise with a standard deviation of up to `deviation` grey levels."""
    level = generator.uniform(0, deviation)
    noisy = image + generator.normal(0, level, size=image.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def shrink(image: Pixels, size: int) -> Pixels:
    """Resample an RGB image to `size` x `size` px."""
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS))


def random_crop(photo: Pixels, generator: np.random.Generator, *, size: int) -> Pixels:
    """Cut a random square (a third of the shorter side up to all of it), scaled to `size` px."""
    height, width = photo.shape[:2]
    shorter = min(height, width)
    side = int(generator.integers(max(1, shorter // 3), shorter + 1))
    top = int(generator.integers(0, height - side + 1))
    left = int(generator.integers(0, width - side + 1))
    return shrink(photo[top : top + side, left : left + side, :3], size)


def iconify_svg(icon: dict[str, Any], default_side: int) -> str:
    """Wrap one entry of an Iconify `icons.json` into a complete SVG document.

    Sizes that the entry leaves out are `default_side` (the set's own default).
    """
    width, height = icon.get("width", default_side), icon.get("height", default_side)
    box = f"{icon.get('left', 0)} {icon.get('top', 0)} {width} {height}"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{box}" width="{width}" height="{height}">{icon["body"]}</svg>'
    )
