"""Handwritten digits at 8 px: the test set of UCI's optical recognition of handwritten digits."""

from __future__ import annotations

import numpy as np

from mergebench.suites.build.images import grey_to_rgb, resize_to_side
from mergebench.suites.build.packages import PackageCache
from mergebench.suites.build.splitting import deal
from mergebench.suites.build.task_images import LabelledImages, Source, TaskImages


def build(packages: PackageCache, generator: np.random.Generator) -> TaskImages:
    """Deal the 1797 images that scikit-learn ships to 1000/200/400/190 images."""
    import sklearn
    from sklearn.datasets import load_digits

    scans = load_digits()
    grey = np.rint(scans.images * (255 / 16)).astype(np.uint8)
    pool = LabelledImages(
        images=resize_to_side(grey_to_rgb(grey)), labels=scans.target.astype(np.int64)
    )
    return TaskImages(
        name="optdigits",
        classes=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
        templates=("a coarse scan of the digit {}", "a blurred number {}", "a soft grey {}"),
        sources=(
            Source(
                registry="pypi",
                package="scikit-learn",
                version=sklearn.__version__,
                licence="CC BY 4.0 (E. Alpaydin, C. Kaynak, UCI repository); package: BSD-3-Clause",
                what="all images",
            ),
        ),
        note="8 px scans enlarged to 32 px; shares its classes with mnist; few images exist.",
        rendered=False,
        splits=deal(pool, {"train": 1000, "val": 200, "test": 400, "captioned": 190}, generator),
    )
