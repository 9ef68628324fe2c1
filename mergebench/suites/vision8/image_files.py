"""Folders of classes with image files, as a task of the suite is kept in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mergebench.errors import InputError
from mergebench.suites.images import SUFFIXES, ImageFiles, Source, SourceSplit
from mergebench.suites.prompts import Prompts
from mergebench.suites.split_names import SPLIT_ALIASES


def find_image_folders(
    folder: Path, prompts: Prompts, *, partial: bool, by_number: bool = False
) -> Source | None:
    """Find `<folder>/<split>/<class>/<image>`; None when no split folder has class folders.

    The images of a split are in the order of their file names, so that copies of Cars and GTSRB
    under their original names have the order of the original annotations; with `by_number`, where
    validation is drawn by that order, `10.png` comes after `9.png`. Raises `InputError` for class
    folders that the task does not have or lacks.
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
            splits[split] = files_in(child, classes, prompts, partial=partial, by_number=by_number)
    if not splits:
        return None
    return Source(format="image folders", place=str(folder), splits=splits)


def class_folders(folder: Path) -> list[str]:
    """Return the names of the folders in `folder`, sorted; hidden ones are left out."""
    return sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."
    )


def files_in(
    folder: Path,
    classes: Sequence[str],
    prompts: Prompts,
    *,
    partial: bool,
    by_number: bool = False,
) -> ImageFiles:
    """Return the image files of `<folder>/<class>/`, in the order of their names, then classes.

    With `by_number` digits in a name count as the number that they are.
    """
    order = prompts.order_of(classes, str(folder), partial=partial)
    found = [
        (_numbered(path.name) if by_number else [], path.name, name, label)
        for name, label in zip(classes, order, strict=True)
        for path in (folder / name).iterdir()
        if path.suffix.lower() in SUFFIXES
    ]
    samples = tuple((f"{name}/{file}", label) for _, file, name, label in sorted(found))
    return ImageFiles(root=folder, samples=samples)


def _numbered(name: str) -> list[str | int]:
    """Return what to sort file names by: texts and numbers in turn, a text first."""
    return [
        int(part) if place % 2 else part for place, part in enumerate(re.split("([0-9]+)", name))
    ]
