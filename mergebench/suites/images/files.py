"""Splits whose images are files below a folder, each with its label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from mergebench.suites.images.opening import opened
from mergebench.suites.images.source import Indices, SourceSplit, file_state

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, kw_only=True)
class ImageFiles(SourceSplit):
    """Image files below `root`, with labels: `samples` are (path relative to `root`, label)."""

    root: Path
    samples: tuple[tuple[str, int], ...]

    @property
    def count(self) -> int:
        """Return the number of files."""
        return len(self.samples)

    @cached_property
    def labels(self) -> Indices:
        """Return the labels `(count,)`."""
        return np.array([label for _, label in self.samples], dtype=np.int64)

    @property
    def identity(self) -> Sequence[object]:
        """Return paths, labels and states, so that another file of the same name is another."""
        return [*self.samples, *(file_state(self.root / path) for path, _ in self.samples)]

    def name_of(self, index: int) -> str:
        """Return the path."""
        return str(self.root / self.samples[index][0])

    def images(self, indices: Indices) -> Iterator[Image.Image]:
        """Open the files; raises `ImageError` naming one that is missing or no image."""
        for index in indices:
            path = self.root / self.samples[index][0]
            yield opened(path, str(path))
