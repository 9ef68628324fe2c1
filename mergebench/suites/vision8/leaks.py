"""The guard against training images that are also validation or test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mergebench.errors import InputError
from mergebench.suites.suite import SplitName
from mergebench.suites.vision8.cache import Record
from mergebench.suites.vision8.source import Indices, Source
from mergebench.suites.vision8.splitting import Part

TOLERATED = 0.01
"""Share of the held-out images that may be training images too, which captions then count.

Published splits have a few duplicates of their own; a wrong split has hundreds.
"""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """How many training images are also held out, and one pair of them, in words."""

    count: int
    example: str


def shared_images(
    hashes: Mapping[SplitName, Indices], parts: Mapping[SplitName, Part], source: Source
) -> Shared:
    """Count the training images whose pixels also occur in validation or test.

    `hashes`: by split, `(N,)` int64, one of the pixels of each image, in the order of `parts`.
    """
    train, count, example = hashes["train"], 0, ""
    found = np.zeros(len(train), dtype=bool)
    for split in ("val", "test"):
        held_out = hashes[split]
        found |= np.isin(train, held_out)
        if not example and found.any():
            first = int(np.flatnonzero(found)[0])
            other = int(np.flatnonzero(held_out == train[first])[0])
            example = (
                f"{_name(source, parts['train'], first)} is also {split} image "
                f"{_name(source, parts[split], other)}"
            )
    count = int(found.sum())
    return Shared(count=count, example=example)


def check_leak(record: Record) -> None:
    """Raise `InputError` if too many training images are held out and nobody asked for that."""
    held_out = record.splits["val"].count + record.splits["test"].count
    if record.shared > TOLERATED * held_out and not record.cars_leak:
        raise InputError(
            f"{record.task}: {record.shared} of {record.splits['train'].count} training images "
            f"also occur in validation or test, e.g. {record.example}; correct the split in "
            f"{record.place}"
        )


def _name(source: Source, part: Part, position: int) -> str:
    return source.splits[part.source].name_of(int(part.indices[position]))
