"""What a folder or file of the user's holds: images or texts."""

from __future__ import annotations

from pathlib import Path

from mergebench.backbones import BACKBONES, resolution_of
from mergebench.errors import InputError
from mergebench.plurals import how_many
from mergebench.suites.options import OwnData
from mergebench.suites.own.image_folders import ImageFolders, find_image_folders, loose_images
from mergebench.suites.own.rows import OwnRow
from mergebench.suites.own.text_files import FORMATS, TextFiles, files_of, read_text_files

_FILES = f"a .{', .'.join(FORMATS)} file"


def find(row: OwnRow, own: OwnData) -> ImageFolders | TextFiles:
    """Return what was found at the path of a task.

    Raises `InputError` for a path with neither, with both, or with the other than the backbone
    takes, and for whatever is wrong with the files.
    """
    path = row.path
    images = None if path.is_file() else find_image_folders(path)
    if images is not None:
        texts = _beside(path)
        if texts:
            raise InputError(
                f"{path}: has folders of images, and texts ({texts[0].name}) beside them; keep one "
                "kind"
            )
        _check_kind(path, "images", own)
        return images
    files = files_of(path)
    if not files:
        raise InputError(f"{path}: {_instead(path)}")
    _check_kind(path, "texts", own)
    return read_text_files(path, files)


def _check_kind(path: Path, kind: str, own: OwnData) -> None:
    """Raise `InputError` unless the backbone takes inputs of that kind."""
    if own.takes and kind != own.takes:
        takes_texts = kind == "texts"
        fitting = [
            name
            for name, source in BACKBONES.items()
            if (resolution_of(source) is None) == takes_texts
        ]
        raise InputError(
            f"{path}: has {kind}, and the backbone takes {own.takes}; choose another --backbone: "
            f"{', '.join(fitting)}"
        )


def _beside(folder: Path) -> list[Path]:
    return [one for one in sorted(folder.iterdir()) if one.suffix.lower()[1:] in FORMATS]


def _instead(path: Path) -> str:
    """Return what there is, in words, and what was expected."""
    if path.is_file():
        return f"not {_FILES}, nor a folder"
    loose = loose_images(path)
    if loose:
        images = how_many(len(loose), "image")
        return f"has {images} outside of folders; expected a folder of images per class"
    return (
        f"has no images in folders of classes, and not {_FILES}; put images into a folder per class"
    )
