"""Decoded images on disk: one folder per task, source and resolution, mapped into memory.

A folder holds `<split>.pixels`, the images `(N, 3, S, S)` uint8 one after the other, the labels and
`record.json`, which is written last and has the hash of everything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mergebench.errors import InputError
from mergebench.suites.options import SuiteOptions
from mergebench.suites.split_names import SPLIT_NAMES, SplitName
from mergebench.suites.suite import Split, tensor_sha256
from mergebench.suites.vision8.source import Source
from mergebench.suites.vision8.tasks import TaskRow

#: Raised whenever the same source gives other images, splits or files than before.
VERSION = 2
RECORD_FILE = "record.json"
LABELS_FILE = "labels.safetensors"
_AT_ONCE = 1 << 24


class SplitRecord(BaseModel):
    """Count and hashes (`tensor_sha256`) of one split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int
    images_sha256: str
    labels_sha256: str


class Record(BaseModel):
    """What a folder of the cache holds, and where it came from.

    `leaked`: places of training images that also occur in validation or test; `examples` name a few
    of them and what they are there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    task: str
    resolution: int
    cars_leak: bool
    source: str
    place: str
    dealt: bool
    leaked: tuple[int, ...]
    examples: tuple[str, ...]
    splits: dict[SplitName, SplitRecord]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A complete folder of the cache."""

    folder: Path
    record: Record

    @property
    def sizes(self) -> Mapping[SplitName, int]:
        """Return the number of images by split."""
        return {name: split.count for name, split in self.record.splits.items()}

    def split(self, name: SplitName) -> Split:
        """Map one split into memory; its images are read from disk when they are used.

        Raises `InputError` when the labels are not those of the record.
        """
        known = self.record.splits[name]
        labels = self._labels()[name]
        if tensor_sha256(labels) != known.labels_sha256:
            raise InputError(_damaged(self.folder / LABELS_FILE))
        side = self.record.resolution
        pixels = _mapped(self.folder / pixels_name(name), known.count * 3 * side * side)
        images = pixels.view(known.count, 3, side, side)
        return Split(inputs=images, labels=labels, inputs_sha256=known.images_sha256)

    def verify(self) -> None:
        """Read everything and compare it with the record; raises `InputError` for what differs."""
        for name, known in self.record.splits.items():
            self.split(name)
            path = self.folder / pixels_name(name)
            digest = images_digest(known.count, self.record.resolution)
            for block in _blocks(path):
                digest.update(block)
            if digest.hexdigest() != known.images_sha256:
                raise InputError(_damaged(path))

    def _labels(self) -> dict[str, Tensor]:
        try:
            return load_file(self.folder / LABELS_FILE)
        except (OSError, SafetensorError) as error:
            raise InputError(_damaged(self.folder / LABELS_FILE)) from error


def entry_folder(row: TaskRow, source: Source, options: SuiteOptions) -> Path:
    """Return where the images of this source are kept at this resolution."""
    content = [VERSION, row.name, source.fingerprint, options.cars_leak and row.name == "cars"]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    return task_folder(row, options) / f"{options.resolution}px-{key}"


def task_folder(row: TaskRow, options: SuiteOptions) -> Path:
    """Return the folder of all of a task's images."""
    return options.cache / "vision8" / row.name


def read_entry(folder: Path) -> Entry | None:
    """Return the entry in `folder`, None if it is not complete.

    Raises `InputError` for a malformed record and for a file that is missing or has another size.
    """
    path = folder / RECORD_FILE
    try:
        record = Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise InputError(_damaged(path)) from error
    if tuple(record.splits) != SPLIT_NAMES or record.version != VERSION:
        raise InputError(_damaged(path))
    for name, split in record.splits.items():
        pixels = folder / pixels_name(name)
        expected = split.count * 3 * record.resolution**2
        if not pixels.is_file() or pixels.stat().st_size != expected:
            raise InputError(_damaged(pixels))
    return Entry(folder=folder, record=record)


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


def pixels_name(split: SplitName) -> str:
    """Return the file name of a split's images."""
    return f"{split}.pixels"


def images_digest(count: int, side: int) -> hashlib._Hash:
    """Return a digest that has become `tensor_sha256` when it was fed the images' bytes."""
    shape = (count, 3, side, side)
    return hashlib.sha256(f"{torch.uint8}{shape}".encode())


def _mapped(path: Path, size: int) -> Tensor:
    if size == 0:
        return torch.empty(0, dtype=torch.uint8)
    # Private: writing to the tensor would not change the file.
    return torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_AT_ONCE):
            yield block


def _damaged(path: Path) -> str:
    return f"{path}: damaged, or not of this version; delete {path.parent} to build it again"
