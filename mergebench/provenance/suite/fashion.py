"""Photographs of clothes from Fashion-MNIST."""

from __future__ import annotations

import numpy as np

from mergebench.provenance.suite.grey_images import deal_idx
from mergebench.provenance.suite.packages import Package, PackageCache
from mergebench.provenance.suite.task_images import Source, TaskImages

PACKAGE = Package(
    registry="debian",
    name="dataset-fashion-mnist",
    version="0.0~git20200523.55506a9-1",
    sha256="39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
)

CLASSES = (
    "t-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def build(packages: PackageCache, generator: np.random.Generator) -> TaskImages:
    """Deal the training images to train, val and captioned, and the test images to test."""
    folder = packages.path(PACKAGE) / "usr" / "share" / "datasets" / "fashion-mnist"
    splits = deal_idx(
        (folder / "train-images-idx3-ubyte.gz", folder / "train-labels-idx1-ubyte.gz"),
        (folder / "t10k-images-idx3-ubyte.gz", folder / "t10k-labels-idx1-ubyte.gz"),
        generator,
    )
    return TaskImages(
        name="fashion",
        classes=CLASSES,
        templates=("a photo of a {}", "a grey photo of a {}", "clothes: a {}"),
        sources=(Source.of(PACKAGE, licence="MIT (Zalando SE)", what="all images"),),
        note="28 px photos centred on 32 px of black; test images are from its own test set.",
        rendered=False,
        splits=splits,
    )
