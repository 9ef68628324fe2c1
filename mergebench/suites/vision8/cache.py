"""The folders of decoded images of this suite: one per task, source and resolution."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TypeAlias

from mergebench.errors import InputError
from mergebench.suites.images import (
    RECORD_FILE,
    Decoded,
    DecodedRecord,
    Source,
    read_decoded,
)
from mergebench.suites.options import SuiteOptions
from mergebench.suites.vision8.tasks import TaskRow

#: Raised whenever the same source gives other images, splits or files than before.
VERSION = 2


class Record(DecodedRecord):
    """What a folder of the cache holds, and where it came from.

    `leaked`: places of training images that also occur in validation or test; `examples` name a few
    of them and what they are there.
    """

    cars_leak: bool
    place: str
    dealt: bool
    leaked: tuple[int, ...]
    examples: tuple[str, ...]


Entry: TypeAlias = Decoded[Record]
"""A complete folder of the cache."""


def entry_folder(row: TaskRow, source: Source, options: SuiteOptions) -> Path:
    """Return where the images of this source are kept at this resolution."""
    content = [VERSION, row.name, source.fingerprint, options.cars_leak and row.name == "cars"]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    return task_folder(row, options) / f"{options.resolution}px-{key}"


def task_folder(row: TaskRow, options: SuiteOptions) -> Path:
    """Return the folder of all of a task's images."""
    return options.cache / "vision8" / row.name


def read_entry(folder: Path) -> Entry | None:
    """Return the entry in `folder`, None if it is not complete; errors as of `read_decoded`."""
    return read_decoded(folder, Record, VERSION)


def only_entry(row: TaskRow, options: SuiteOptions) -> Entry | None:
    """Return the task's one entry at this resolution, for when its source is gone.

    Raises `InputError` when there are several.
    """
    leak = options.cars_leak and row.name == "cars"
    folders = sorted(task_folder(row, options).glob(f"{options.resolution}px-*/{RECORD_FILE}"))
    entries = [entry for file in folders if (entry := read_entry(file.parent))]
    fitting = [entry for entry in entries if entry.record.cars_leak == leak]
    if len(fitting) > 1:
        raise InputError(
            f"{task_folder(row, options)}: has images of {len(fitting)} sources at "
            f"{options.resolution} px, and none of the sources is there; delete all but one folder"
        )
    return fitting[0] if fitting else None
