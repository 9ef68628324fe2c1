"""Rendered splits: drawings of each class placed over backdrops under random viewing conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mergebench.provenance.suite.images import SIDE
from mergebench.provenance.suite.rendering import (
    Pixels,
    composite,
    fit_square,
    random_blur,
    random_light,
    random_noise,
    random_view,
    shrink,
)
from mergebench.provenance.suite.task_images import LabelledImages

#: Scenes are composed at twice the final size and shrunk at the end.
SCENE_SIDE = 2 * SIDE

#: Images per split of a rendered task.
SIZES = {"train": 2000, "val": 320, "test": 1000, "captioned": 600}
#: The same for glyphs and pieces, whose training fonts and sets are many; without `captioned`.
LARGE_SIZES = {"train": 4000, "val": 320, "test": 1000}

#: Draws one variant of a class as RGBA of any size.
Drawing = Callable[[np.random.Generator], Pixels]
#: Draws a backdrop `(64, 64, 3)`.
Backdrop = Callable[[np.random.Generator], Pixels]


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """How strongly a scene is disturbed.

    `extent`: smallest and largest share of the side that the drawing fills; `shift` and
    `corner_shift`: fractions of the side; `rotation`: degrees; `light`: relative; `blur`: px at
    64 px; `noise`: grey levels; `inverted`: probability that the scene is shown as its negative.
    """

    extent: tuple[float, float]
    shift: float
    corner_shift: float
    rotation: float
    light: float
    blur: float
    noise: float
    inverted: float = 0.0


def render_scene(
    drawing: Pixels, backdrop: Pixels, disturbance: Disturbance, generator: np.random.Generator
) -> Pixels:
    """Place an RGBA drawing of any size over a `(64, 64, 3)` backdrop; returns `(32, 32, 3)`."""
    extent = generator.uniform(*disturbance.extent)
    margin = round(SCENE_SIDE * (1 - extent) / 2)
    placed = random_view(
        fit_square(drawing, SCENE_SIDE, margin=margin),
        generator,
        corner_shift=disturbance.corner_shift,
        rotation=disturbance.rotation,
    )
    reach = round(disturbance.shift * SCENE_SIDE)
    rows, columns = generator.integers(-reach, reach + 1, size=2)
    scene = composite(_moved(placed, int(rows), int(columns)), backdrop)
    if generator.random() < disturbance.inverted:
        scene = 255 - scene
    scene = random_light(scene, generator, strength=disturbance.light)
    scene = random_blur(scene, generator, radius=disturbance.blur)
    return random_noise(shrink(scene, SIDE), generator, deviation=disturbance.noise)


def _moved(image: Pixels, rows: int, columns: int) -> Pixels:
    """Shift an image, filling with transparent pixels; never wraps around."""
    margin = max(abs(rows), abs(columns))
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)))
    top, left = margin - rows, margin - columns
    return padded[top : top + image.shape[0], left : left + image.shape[1]]


def render_split(
    drawings: Sequence[Sequence[Drawing]],
    backdrop: Backdrop,
    size: int,
    disturbance: Disturbance,
    generator: np.random.Generator,
) -> LabelledImages:
    """Render `size` class-balanced scenes; `drawings[label]` are the variants of one class.

    Each scene takes a random variant and a new backdrop; the order of the scenes is random.
    """
    labels = generator.permutation(np.arange(size) % len(drawings)).astype(np.int64)
    scenes = []
    for label in labels:
        variants = drawings[label]
        drawing = variants[int(generator.integers(len(variants)))](generator)
        scenes.append(render_scene(drawing, backdrop(generator), disturbance, generator))
    return LabelledImages(images=np.stack(scenes), labels=labels)


def render_splits(
    drawings: Mapping[str, Sequence[Sequence[Drawing]]],
    backdrops: Mapping[str, Backdrop],
    disturbance: Disturbance,
    generator: np.random.Generator,
    sizes: Mapping[str, int] = MappingProxyType(SIZES),
) -> dict[str, LabelledImages]:
    """Render the splits that `sizes` names from the pools `train`, `held out` and `captioned`.

    Validation and test are drawn alike from `held out`, so that the one predicts the other.
    """
    pools = {"val": "held out", "test": "held out"}
    splits = {}
    for split, size in sizes.items():
        pool = pools.get(split, split)
        splits[split] = render_split(drawings[pool], backdrops[pool], size, disturbance, generator)
    return splits
