"""What a task builder returns: the images, labels and provenance of one task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mergebench.provenance.suite.packages import Package

#: Splits in the order they are packed; `captioned` goes to pretraining, never to the suite.
SPLITS = ("train", "val", "test", "captioned")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where pixels of a task come from: a pinned package, its licence, and what was taken."""

    registry: str
    package: str
    version: str
    licence: str
    what: str

    @classmethod
    def of(cls, package: Package, *, licence: str, what: str) -> Source:
        """Describe what was taken from `package`."""
        return cls(
            registry=package.registry,
            package=package.name,
            version=package.version,
            licence=licence,
            what=what,
        )


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """Images `(N, 32, 32, 3)` uint8 RGB and their labels `(N,)` int64."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TaskImages:
    """One classification task: display names, prompts, provenance and the four splits.

    `templates` hold one `{}` for the class name; `rendered` is true where the images are drawn
    from vector art or fonts and false where they are photographs or scans.
    """

    name: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    sources: tuple[Source, ...]
    note: str
    rendered: bool
    splits: Mapping[str, LabelledImages]
