"""Reader of the IDX format, in which MNIST and Fashion-MNIST are published."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mergebench.suites.build.images import grey_to_rgb, pad_to_side
from mergebench.suites.build.splitting import deal
from mergebench.suites.build.task_images import LabelledImages


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, gzipped or not; returns an array of its own shape.

    Raises `ValueError` when the file is not IDX with unsigned bytes.
    """
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    if content[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path.name}: not an IDX file of unsigned bytes")
    dimensions = content[3]
    shape = np.frombuffer(content, dtype=">u4", count=dimensions, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def deal_idx(
    train: tuple[Path, Path], test: tuple[Path, Path], generator: np.random.Generator
) -> dict[str, LabelledImages]:
    """Deal a data set of 28 px grey images to 2000/320/1000/600 train/val/test/captioned images.

    `train` and `test` are its (images, labels) files; test images come from the test files only.
    """
    splits = deal(_read_pool(train), {"train": 2000, "val": 320, "captioned": 600}, generator)
    return splits | deal(_read_pool(test), {"test": 1000}, generator)


def _read_pool(files: tuple[Path, Path]) -> LabelledImages:
    images, labels = (read_idx(file) for file in files)
    return LabelledImages(images=pad_to_side(grey_to_rgb(images)), labels=labels.astype(np.int64))
