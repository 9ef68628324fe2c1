"""Backdrops of rendered scenes: crops of photographs, plain colours, squares of a board."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from mergebench.provenance.suite.packages import PackageCache
from mergebench.provenance.suite.pins import pinned
from mergebench.provenance.suite.rendering import Pixels, random_crop
from mergebench.provenance.suite.scenes import SCENE_SIDE, Backdrop
from mergebench.provenance.suite.task_images import Source

_WALLPAPERS = pinned("debian", "lomiri-wallpapers-16.04")
PHOTO_SOURCE = Source.of(
    _WALLPAPERS,
    licence="CC-BY-4.0, CC-BY-SA-3.0, CC-BY-SA-4.0 and CC0-1.0, by photo",
    what="photos behind the drawings; the photographers are named in the file names",
)
# The photos of one pool appear in no other.
_PHOTOS = {
    "train": (
        "Bridge_by_Sander_Klootwijk",
        "Dragonfly_by_Bolly",
        "Picture_0B_by_freespace",
        "friends_by_Aitzol_Berasategi",
        "greentock_by_Peter_Nerlich",
        "umang_by_Abhishek_Mudgal",
        "sunset_by_Aitzol_Berasategi",
    ),
    "held out": (
        "Picture_1A_by_freespace",
        "Wine_by_Jakkub_Mede",
        "aitzgorri_by_Aitzol_Berasategi",
        "life_by_Aitzol_Berasategi",
        "seeding_by_Clements_Engelhardt",
    ),
    "captioned": (
        "analogpattern_by_Peter_Nerlich",
        "free_by_Peter_Nerlich",
        "picosdeeuropa_by_Aitzol_Berasategi",
    ),
}
# Photos are reduced to this many px on the longer side before they are cut.
_PHOTO_SIDE = 512


def photo_backdrops(packages: PackageCache) -> dict[str, Backdrop]:
    """Backdrops of the pools `train`, `held out` and `captioned`, cut from disjoint photos."""
    folder = packages.path(_WALLPAPERS) / "usr/share/backgrounds"
    backdrops = {}
    for pool, names in _PHOTOS.items():
        photos = []
        for name in names:
            photo = Image.open(folder / f"{name}.jpg").convert("RGB")
            photo.thumbnail((_PHOTO_SIDE, _PHOTO_SIDE))
            photos.append(np.asarray(photo))
        backdrops[pool] = _cuts(photos)
    return backdrops


def _cuts(photos: Sequence[Pixels]) -> Backdrop:
    def cut(generator: np.random.Generator) -> Pixels:
        photo = photos[int(generator.integers(len(photos)))]
        return random_crop(photo, generator, size=SCENE_SIDE)

    return cut


def board_squares(generator: np.random.Generator) -> Pixels:
    """Draw a chess-board corner of two random colours with a random offset of its squares."""
    light = generator.integers(140, 256, size=3)
    dark = light * generator.uniform(0.35, 0.75, size=3)
    rows, columns = generator.integers(0, SCENE_SIDE, size=2)
    y, x = np.mgrid[0:SCENE_SIDE, 0:SCENE_SIDE]
    is_dark = ((y + rows) // SCENE_SIDE + (x + columns) // SCENE_SIDE) % 2 == 1
    if generator.random() < 0.5:
        is_dark = ~is_dark
    return np.where(is_dark[..., None], dark, light).astype(np.uint8)


def mixed(first: Backdrop, second: Backdrop, share: float) -> Backdrop:
    """Take `first` with probability `share`, else `second`."""

    def either(generator: np.random.Generator) -> Pixels:
        return first(generator) if generator.random() < share else second(generator)

    return either
