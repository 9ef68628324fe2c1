"""Class-balanced dealing of a pool of images to disjoint splits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mergebench.provenance.suite.task_images import LabelledImages


def deal(
    pool: LabelledImages, sizes: Mapping[str, int], generator: np.random.Generator
) -> dict[str, LabelledImages]:
    """Deal `pool` to disjoint splits of the given sizes, each as class-balanced as the pool allows.

    Images with equal pixels count once (the first is kept). Within a split the order is random.
    Raises `ValueError` when the pool has fewer distinct images than the sizes ask for.
    """
    order = _balanced_order(pool, generator)
    if len(order) < sum(sizes.values()):
        raise ValueError(f"{len(order)} distinct images for splits of {dict(sizes)}")
    splits = {}
    start = 0
    for name, size in sizes.items():
        chosen = generator.permutation(order[start : start + size])
        splits[name] = LabelledImages(images=pool.images[chosen], labels=pool.labels[chosen])
        start += size
    return splits


def _balanced_order(pool: LabelledImages, generator: np.random.Generator) -> NDArray[np.int64]:
    """Order distinct images so that every run of consecutive ones is nearly class-balanced."""
    first_index: dict[bytes, int] = {}
    for index, image in enumerate(pool.images):
        first_index.setdefault(image.tobytes(), index)
    shuffled = generator.permutation(np.array(list(first_index.values())))
    labels = pool.labels[shuffled]
    rank_in_class = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = labels == label
        rank_in_class[members] = np.arange(members.sum())
    return shuffled[np.lexsort((labels, rank_in_class))].astype(np.int64)
