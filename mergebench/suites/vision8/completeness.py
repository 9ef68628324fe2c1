"""Whether a source has the images and classes that its task is published with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mergebench.suites.images import Source
from mergebench.suites.split_names import WHOLE, SplitName
from mergebench.suites.vision8.prompts import prompts_of
from mergebench.suites.vision8.tasks import TaskRow


def problems_of(row: TaskRow, source: Source, *, partial: bool) -> list[str]:
    """Return a phrase for everything that is wrong with the source's counts and labels.

    With `partial` images and classes may be lacking, but no label may be unknown.
    """
    if partial:
        return _strange_labels(row, source)
    return _wrong_sizes(row, source) or _strange_labels(row, source) or _empty(row, source)


def without_images(sizes: Mapping[SplitName, int]) -> list[str]:
    """Return a phrase for every split of a task that has no images, which partial data may lack."""
    return [f"{name} has no images" for name, size in sizes.items() if not size]


def _wrong_sizes(row: TaskRow, source: Source) -> list[str]:
    expected: Mapping[str, int] = row.sizes
    if WHOLE in source.splits:
        expected = {WHOLE: sum(row.sizes.values())}
    return [
        f"{name} has {source.counts.get(name, 0)} images, expected {size}"
        for name, size in expected.items()
        if source.counts.get(name, 0) != size
    ]


def _strange_labels(row: TaskRow, source: Source) -> list[str]:
    classes = len(prompts_of(row.name).classes)
    return [
        f"{name} has the label {strange[0]}, expected 0 to {classes - 1}"
        for name, split in source.splits.items()
        if len(strange := split.labels[(split.labels < 0) | (split.labels >= classes)])
    ]


def _empty(row: TaskRow, source: Source) -> list[str]:
    classes = len(prompts_of(row.name).classes)
    return [
        f"{name} has images of {found} of {classes} classes"
        for name, split in source.splits.items()
        if (found := len(np.unique(split.labels))) != classes
    ]
