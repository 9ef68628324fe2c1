"""The guard against training images that are also validation or test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from mergebench.errors import InputError
from mergebench.suites.images import Indices, Part, Source
from mergebench.suites.options import Leaks
from mergebench.suites.split_names import SplitName
from mergebench.suites.vision8.cache import Record

_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Shared:
    """The places of training images that are held out too, and a few pairs of them in words."""

    places: tuple[int, ...]
    examples: tuple[str, ...]


def shared_images(
    hashes: Mapping[SplitName, Indices], parts: Mapping[SplitName, Part], source: Source
) -> Shared:
    """Find the training images whose pixels also occur in validation or test.

    `hashes`: by split, `(N,)` int64, one of the pixels of each image, in the order of `parts`.
    """
    train, examples = hashes["train"], []
    held_out = np.concatenate([hashes["val"], hashes["test"]])
    places = np.flatnonzero(np.isin(train, held_out))
    for place in places[:_SHOWN]:
        other = int(np.flatnonzero(held_out == train[place])[0])
        split: SplitName = "val" if other < len(hashes["val"]) else "test"
        position = other if split == "val" else other - len(hashes["val"])
        examples.append(
            f"{_name(source, parts['train'], int(place))} is {split} image "
            f"{_name(source, parts[split], position)}"
        )
    return Shared(places=tuple(places.tolist()), examples=tuple(examples))


def check_leak(record: Record, leaks: Leaks) -> None:
    """Raise `InputError` if a training image is held out too and nobody said what to do then.

    Likewise if all are, and are to be left out.
    """
    count, total = len(record.leaked), record.splits["train"].count
    if count == total and leaks == "drop" and not record.cars_leak:
        raise InputError(
            f"{record.task}: all {total} training images also occur in validation or test, and "
            f"--drop-leaks leaves none; correct the split in {record.place}"
        )
    if record.leaked and leaks == "refuse" and not record.cars_leak:
        others = f" and {count - len(record.examples)} more" if count > len(record.examples) else ""
        raise InputError(
            f"{record.task}: {count} of {total} training images also occur "
            f"in validation or test ({'; '.join(record.examples)}{others}): correct the split in "
            f"{record.place}, or leave them out of training by --drop-leaks (make: DROP_LEAKS=1), "
            "which captions then state"
        )


def without(tensor: Tensor, places: Indices) -> Tensor:
    """Return `tensor` without its rows at `places`, in its own memory: the last rows fill the gaps.

    Only the filled rows are written, so that of a privately mapped file all others stay on disk.
    """
    kept = len(tensor) - len(places)
    gone = set(places.tolist())
    fillers = [row for row in range(kept, len(tensor)) if row not in gone]
    gaps = [row for row in sorted(gone) if row < kept]
    for gap, filler in zip(gaps, fillers, strict=True):
        tensor[gap] = tensor[filler]
    return tensor[:kept]


def _name(source: Source, part: Part, position: int) -> str:
    return source.splits[part.source].name_of(int(part.indices[position]))
