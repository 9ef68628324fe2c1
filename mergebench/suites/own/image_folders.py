"""Images as one folder per class, with folders of splits above them or without."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mergebench.errors import InputError
from mergebench.plurals import how_many
from mergebench.suites.images import SUFFIXES, ImageFiles, as_shown
from mergebench.suites.own.classes import Label, in_order
from mergebench.suites.split_names import SPLIT_ALIASES, WHOLE

_SUFFIXES = SUFFIXES | {".avif", ".gif", ".jfif", ".jpe", ".pgm"}
_SPLITS: Mapping[str, str] = {**SPLIT_ALIASES, "dev": "val"}
_EXPECTED = "<class>/<image>, or train, val and test with folders of classes"


@dataclass(frozen=True, kw_only=True)
class OwnImages(ImageFiles):
    """Image files of anybody."""

    def upright(self, image: Image.Image) -> Image.Image:
        """Return an image as a viewer shows it."""
        return as_shown(image)


@dataclass(frozen=True, kw_only=True)
class ImageFolders:
    """What was found: labels in the order of their numbers, and the files by split.

    `files` has some of the keys `train`, `val` and `test`, or only `all`. `left_out`: files beside
    them that are no images.
    """

    labels: list[Label]
    files: Mapping[str, OwnImages]
    left_out: tuple[str, ...]

    @property
    def sizes(self) -> Mapping[str, int]:
        """Return the number of images by split."""
        return {name: split.count for name, split in self.files.items()}


def find_image_folders(folder: Path) -> ImageFolders | None:
    """Return the images of a folder, without opening any; None if no class folder has any.

    Hidden files do not count. Raises `InputError` for images outside of a class folder, for a class
    without images or with folders of its own, for a split that is there twice, and for one class.
    """
    splits = _splits(folder)
    seen = {name: _classes(child) for name, child in splits.items()}
    if not any(files for classes in seen.values() for files, _ in classes.values()):
        return None
    for place in dict.fromkeys((folder, *splits.values())):
        _check_no_loose(place)
    labels = in_order((label for classes in seen.values() for label in classes), str(folder))
    numbers = {label: number for number, label in enumerate(labels)}
    for label in labels:
        if not any(label in classes and classes[str(label)][0] for classes in seen.values()):
            raise InputError(f"{folder}: class folder {label!r} has no images; add some")
    files: dict[str, OwnImages] = {}
    left_out: list[str] = []
    for name, classes in seen.items():
        found = sorted(
            (f"{label}/{entry.name}", numbers[label])
            for label, (images, _) in classes.items()
            for entry in images
        )
        files[name] = OwnImages(root=splits[name], samples=tuple(found))
        left_out += [other for _, others in classes.values() for other in others]
    return ImageFolders(labels=labels, files=files, left_out=tuple(left_out))


def loose_images(folder: Path) -> list[str]:
    """Return the names of the images that are in a folder itself, sorted."""
    return sorted(one.name for one in _visible(folder) if not one.is_dir() and _is_image(one.name))


def _check_no_loose(folder: Path) -> None:
    loose = loose_images(folder)
    if loose:
        raise InputError(
            f"{folder}: has {how_many(len(loose), 'image')} outside of class folders, {loose[0]!r} "
            f"is one; expected {_EXPECTED}"
        )


def _splits(folder: Path) -> dict[str, Path]:
    """Return the folders that have folders of classes, by split."""
    children = _folders(folder)
    found: dict[str, Path] = {}
    for child in children:
        split = _SPLITS.get(child.name.casefold())
        if split is None or not _folders(child):
            continue
        if split in found:
            raise InputError(f"{folder}: has {found[split].name} and {child.name}; keep one")
        found[split] = child
    if children and not found and all(child.name.casefold() in _SPLITS for child in children):
        names = ", ".join(child.name for child in children)
        raise InputError(f"{folder}: {names} have no folders of classes; expected {_EXPECTED}")
    others = [child.name for child in children if child not in found.values()]
    if found and others:
        raise InputError(
            f"{folder}: has folders of splits, and {others[0]!r} beside them; expected {_EXPECTED}"
        )
    return found or {WHOLE: folder}


def _classes(folder: Path) -> dict[str, tuple[list[os.DirEntry[str]], list[str]]]:
    """Return for each class folder its images, and the names of other files."""
    found = {}
    for child in _folders(folder):
        images: list[os.DirEntry[str]] = []
        others: list[str] = []
        for entry in _visible(child):
            if entry.is_dir():
                raise InputError(
                    f"{child}: has the folder {entry.name!r} inside; expected {_EXPECTED}"
                )
            if _is_image(entry.name):
                images.append(entry)
            else:
                others.append(f"{child.name}/{entry.name}")
        found[child.name] = (images, others)
    return found


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in _SUFFIXES


def _folders(folder: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in _visible(folder) if entry.is_dir())


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder but for hidden entries and what macOS adds to archives."""
    try:
        with os.scandir(folder) as entries:
            return [one for one in entries if one.name[0] != "." and one.name != "__MACOSX"]
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from error
