"""Surfaces and materials: crops of texture photographs at random scale, angle and light."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mergebench.provenance.suite.images import SIDE
from mergebench.provenance.suite.packages import Package, PackageCache
from mergebench.provenance.suite.task_images import LabelledImages, Source, TaskImages

ROBOSUITE = Package(
    registry="pypi",
    name="robosuite",
    version="1.5.2",
    sha256="b9e02df55de8949739de6ba1d196d2ba59cf33c51a76efcfbe5c2f73cdcf99ce",
)
METAWORLD = Package(
    registry="pypi",
    name="metaworld",
    version="3.1.1",
    sha256="99e25d9baf97f2f1a19ca89c0d2ca9c6a2b396d9a9be81729de64eedc683f0d3",
)

_PACKAGE_LICENCE = "MIT (package; its files name no other)"

#: Class name -> file, relative to the texture folder of its package.
ROBOSUITE_FILES = {
    "bread": "bread.png",
    "brass": "brass-ambra.png",
    "clay": "clay.png",
    "dirt": "dirt.png",
    "felt": "gray-felt.png",
    "lemon peel": "lemon.png",
    "white bricks": "white-bricks.png",
    "parquet": "wood-tiles.png",
    "brushed steel": "steel-brushed.png",
    "scratched steel": "steel-scratched.png",
    "cracked plaster": "yellow-plaster.png",
    "stained plaster": "pink-plaster.png",
    "ribbed board": "gray-woodgrain.png",
}
METAWORLD_FILES = {
    "checked cloth": "scene/textures/fabricPattern.png",
    "linen": "scene/textures/fabricPlain.png",
    "granite": "textures/granite.png",
    "red bricks": "textures/brick1.png",
    "wooden planks": "textures/wood.png",
    "wood grain": "textures/real_door.png",
    "bamboo": "textures/wood1.png",
}
SCIKIT_IMAGE_FILES = {
    "grass": "grass.png",
    "gravel": "gravel.png",
    "paving stones": "brick.png",
    "tissue under a microscope": "ihc.png",
}

#: Side to which the largest centred square of every photograph is resized before cropping.
PHOTO_SIDE = 512
#: Rectangle (top, left, height, width) of the photograph that each split is cut from.
REGIONS = {
    "train": (0, 0, 512, 256),
    "test": (0, 256, 256, 256),
    "val": (256, 256, 256, 128),
    "captioned": (256, 384, 256, 128),
}
SIZES = {"train": 2000, "val": 320, "test": 1000, "captioned": 600}
#: Crop sides in photo pixels; the largest one, turned by 45 degrees, fits a 128 px region.
CROP_SIDES = (36, 88)


def build(packages: PackageCache, generator: np.random.Generator) -> TaskImages:
    """Cut crops from four disjoint rectangles of one photograph per class, one for each split."""
    import skimage

    files = dict(_texture_files(packages, Path(skimage.__file__).parent / "data"))
    photos = [_read_square(file) for file in files.values()]
    return TaskImages(
        name="textures",
        classes=tuple(files),
        templates=("a close-up of {}", "a photo of {} texture", "a surface of {}"),
        sources=(
            Source.of(
                ROBOSUITE, licence=_PACKAGE_LICENCE, what=", ".join(ROBOSUITE_FILES.values())
            ),
            Source.of(
                METAWORLD, licence=_PACKAGE_LICENCE, what=", ".join(METAWORLD_FILES.values())
            ),
            Source(
                registry="pypi",
                package="scikit-image",
                version=version("scikit-image"),
                licence="CC0 (grass, gravel, brick), no known restrictions (ihc)",
                what=", ".join(SCIKIT_IMAGE_FILES.values()),
            ),
        ),
        note="One photograph per class; splits are cut from disjoint rectangles of it, then turned "
        "and relit at random.",
        rendered=False,
        splits={name: _cut(photos, name, generator) for name in REGIONS},
    )


def _texture_files(packages: PackageCache, scikit_image: Path) -> Iterator[tuple[str, Path]]:
    folders = (
        (packages.path(ROBOSUITE) / "robosuite/models/assets/textures", ROBOSUITE_FILES),
        (packages.path(METAWORLD) / "metaworld/assets", METAWORLD_FILES),
        (scikit_image, SCIKIT_IMAGE_FILES),
    )
    for folder, files in folders:
        for name, file in files.items():
            yield name, folder / file


def _read_square(path: Path) -> Image.Image:
    photo = Image.open(path).convert("RGB")
    side = min(photo.size)
    left, top = ((size - side) // 2 for size in photo.size)
    square = photo.crop((left, top, left + side, top + side))
    return square.resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)


def _cut(photos: list[Image.Image], split: str, generator: np.random.Generator) -> LabelledImages:
    top, left, height, width = REGIONS[split]
    regions = [photo.crop((left, top, left + width, top + height)) for photo in photos]
    labels = generator.permutation(np.arange(SIZES[split]) % len(photos))
    crops = [_relight(_crop(regions[label], generator), generator) for label in labels]
    return LabelledImages(images=np.stack(crops), labels=labels.astype(np.int64))


def _crop(region: Image.Image, generator: np.random.Generator) -> NDArray[np.uint8]:
    """A turned square of random side and place, resized to 32 px."""
    side = int(generator.integers(*CROP_SIDES, endpoint=True))
    around = int(np.ceil(side * np.sqrt(2)))
    left, top = (int(generator.integers(0, size - around + 1)) for size in region.size)
    square = region.crop((left, top, left + around, top + around))
    turned = square.rotate(float(generator.uniform(0, 360)), Image.Resampling.BICUBIC)
    margin = (around - side) // 2
    inner = turned.crop((margin, margin, margin + side, margin + side))
    return np.asarray(inner.resize((SIDE, SIDE), Image.Resampling.BOX))


def _relight(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Random saturation, contrast, colour cast and brightness, so that colour alone says little."""
    pixels = image.astype(np.float64)
    grey = pixels.mean(axis=-1, keepdims=True)
    pixels = grey + generator.uniform(0.0, 1.2) * (pixels - grey)
    mean = pixels.mean()
    pixels = mean + generator.uniform(0.7, 1.4) * (pixels - mean)
    pixels = pixels * np.exp(generator.normal(0.0, 0.2, size=3)) + generator.uniform(-35, 35)
    relit: NDArray[np.uint8] = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return relit
