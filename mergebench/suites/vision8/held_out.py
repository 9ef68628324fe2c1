"""The guard against validation images that are test images too.

How many there are is counted once and kept beside the record, in which it has no place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from mergebench.counting import Advance, Counting
from mergebench.errors import InputError
from mergebench.files import replacing
from mergebench.suites.images import Indices
from mergebench.suites.split_names import SplitName
from mergebench.suites.vision8.cache import Entry, Record

COUNT_FILE = "val_in_test.json"
_KEY = "val_in_test"


def keep_count(folder: Path, hashes: Mapping[SplitName, Indices]) -> None:
    """Write beside the images in `folder` how many of validation are test images too.

    `hashes`: by split, `(N,)` int64, one of the pixels of each image.
    """
    _write(folder, int(np.isin(hashes["val"], hashes["test"]).sum()))


def val_in_test(entry: Entry, counting: Counting) -> int:
    """Return how many validation images have the pixels of a test image.

    Images that were decoded before this was counted are read once for it.
    """
    try:
        return int(json.loads((entry.folder / COUNT_FILE).read_bytes())[_KEY])
    except (OSError, ValueError, KeyError, TypeError):  # not there, or damaged: counted again
        pass
    label = f"{entry.record.task}: comparing validation with test images"
    with counting(label, entry.sizes["val"] + entry.sizes["test"]) as advance:
        test = set(_hashes(entry, "test", advance))
        count = sum(one in test for one in _hashes(entry, "val", advance))
    with suppress(OSError):  # a cache that may only be read is counted anew each time
        _write(entry.folder, count)
    return count


def check_held_out(record: Record, count: int) -> None:
    """Raise `InputError` if most of the validation images are test images, `count` of them."""
    total = record.splits["val"].count
    if 2 * count > total:
        raise InputError(
            f"{record.task}: {count} of {total} validation images are test images too: what is "
            f"chosen on them is chosen on the test split; correct the split in {record.place}"
        )


def _hashes(entry: Entry, name: SplitName, advance: Advance) -> list[bytes]:
    found = []
    for image in entry.split(name).inputs:
        found.append(hashlib.sha256(image.numpy().tobytes()).digest())
        advance(1)
    return found


def _write(folder: Path, count: int) -> None:
    with replacing(folder / COUNT_FILE) as temporary:
        temporary.write_text(json.dumps({_KEY: count}) + "\n", encoding="utf-8")
