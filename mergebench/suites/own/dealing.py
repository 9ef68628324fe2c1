"""Which images of the user's own are the training, validation and test images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from mergebench.suites.own.enough import check_enough, gap_notes
from mergebench.suites.own.held_out import caps_of
from mergebench.suites.own.image_folders import ImageFolders
from mergebench.suites.own.rows import OwnRow
from mergebench.suites.splitting import (
    Example,
    Labelled,
    distinct,
    notes_of,
    roles_of,
    splits_of,
)

Place: TypeAlias = tuple[str, int]
"""The folder of a split in the source, and the place of an image in it."""


def dealt(
    row: OwnRow,
    found: ImageFolders,
    hashes: Mapping[str, Sequence[int]] | None = None,
    *,
    partial: bool,
) -> tuple[Labelled[Place], tuple[str, ...]]:
    """Return the splits of a task, and what captions state of them.

    `hashes`: by split of the source, of the pixels of its images: equal ones are the same image;
    None: no two are. Draws hang on the paths, so that resolutions have the same splits. Raises
    `InputError` when there are too few images.
    """
    where = str(row.path)
    roles = roles_of(where, found.files)
    kept = distinct(
        {
            name: [*_examples(file, found, None if hashes is None else hashes[file])]
            for name, file in roles.files.items()
        }
    )
    splits = splits_of(row.name, kept.examples, caps_of(roles))
    check_enough(where, "images", found.labels, splits, roles, partial=partial)
    notes = (
        *notes_of(row.name, "images", roles, kept, splits),
        *gap_notes(row.name, found.labels, splits),
        *_left_out(row, found),
    )
    return splits, notes


def _examples(
    name: str, found: ImageFolders, hashes: Sequence[int] | None
) -> Iterator[Example[Place]]:
    for place, (path, label) in enumerate(found.files[name].samples):
        draw = f"{name}/{path}"
        key = draw if hashes is None else hashes[place]
        yield Example(value=(name, place), label=label, key=key, draw=draw)


def _left_out(row: OwnRow, found: ImageFolders) -> list[str]:
    if not found.left_out:
        return []
    count, first = len(found.left_out), found.left_out[0]
    return [f"{row.name}: files that are no images are left out: {count:,}, {first!r} is one."]
