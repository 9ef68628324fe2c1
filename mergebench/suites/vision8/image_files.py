"""Splits whose images are files: folders of classes, and lists of files with labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from mergebench.errors import InputError
from mergebench.suites.prompts import Prompts
from mergebench.suites.split_names import SPLIT_ALIASES
from mergebench.suites.vision8.source import Indices, Source, SourceSplit

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
        """Return paths and labels."""
        return self.samples

    def name_of(self, index: int) -> str:
        """Return the path."""
        return str(self.root / self.samples[index][0])

    def images(self, indices: Indices) -> Iterator[Image.Image]:
        """Open the files; raises `InputError` naming one that is missing or no image."""
        for index in indices:
            path = self.root / self.samples[index][0]
            try:
                yield Image.open(path)
            except (OSError, UnidentifiedImageError) as error:
                raise InputError(f"{path}: not a readable image; fetch it again") from error


def find_image_folders(folder: Path, prompts: Prompts, *, partial: bool) -> Source | None:
    """Find `<folder>/<split>/<class>/<image>`; None when no split folder has class folders.

    The images of a split are in the order of their file names, so that copies of Cars and GTSRB
    under their original names have the order of the original annotations. Raises `InputError` for
    class folders that the task does not have or lacks.
    """
    splits: dict[str, SourceSplit] = {}
    for child in sorted(folder.iterdir()) if folder.is_dir() else ():
        split = SPLIT_ALIASES.get(child.name)
        if split is None or not child.is_dir():
            continue
        classes = class_folders(child)
        if classes and split in splits:
            raise InputError(f"{folder}: has the {split} images twice; keep one folder")
        if classes:
            splits[split] = files_in(child, classes, prompts, partial=partial)
    if not splits:
        return None
    return Source(format="image folders", place=str(folder), splits=splits)


def class_folders(folder: Path) -> list[str]:
    """Return the names of the folders in `folder`, sorted; hidden ones are left out."""
    return sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."
    )


def files_in(
    folder: Path, classes: Sequence[str], prompts: Prompts, *, partial: bool
) -> ImageFiles:
    """Return the image files of `<folder>/<class>/`, in the order of their names, then classes."""
    order = prompts.order_of(classes, str(folder), partial=partial)
    found = [
        (path.name, name, label)
        for name, label in zip(classes, order, strict=True)
        for path in (folder / name).iterdir()
        if path.suffix.lower() in SUFFIXES
    ]
    samples = tuple((f"{name}/{file}", label) for file, name, label in sorted(found))
    return ImageFiles(root=folder, samples=samples)
