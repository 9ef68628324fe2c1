"""Splits of the data sets that are published as IDX files of grey images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mergebench.provenance.suite.images import grey_to_rgb, pad_to_side
from mergebench.provenance.suite.splitting import deal
from mergebench.provenance.suite.task_images import LabelledImages
from mergebench.suites import read_idx


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
