"""Decoded images on disk: one folder per task, source and resolution, mapped into memory.

A folder holds `<split>.pixels`, the images `(N, 3, S, S)` uint8 one after the other, the labels and
`record.json`, which is written last and has the hash of everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mergebench.errors import InputError
from mergebench.suites.images.parts import images_digest
from mergebench.suites.split_names import SPLIT_NAMES, SplitName
from mergebench.suites.suite import Split, tensor_sha256

RECORD_FILE = "record.json"
LABELS_FILE = "labels.safetensors"
_AT_ONCE = 1 << 24


class SplitRecord(BaseModel):
    """Count and hashes (`tensor_sha256`) of one split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int
    images_sha256: str
    labels_sha256: str


class DecodedRecord(BaseModel):
    """What a folder holds; suites add where it came from.

    `version` is raised whenever the same source gives other images, splits or files than before.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    task: str
    resolution: int
    source: str
    splits: dict[SplitName, SplitRecord]


RecordT = TypeVar("RecordT", bound=DecodedRecord)


@dataclass(frozen=True, kw_only=True)
class Decoded(Generic[RecordT]):
    """A complete folder of decoded images."""

    folder: Path
    record: RecordT

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
            raise InputError(damaged(self.folder / LABELS_FILE))
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
                raise InputError(damaged(path))

    def _labels(self) -> dict[str, Tensor]:
        try:
            return load_file(self.folder / LABELS_FILE)
        except (OSError, SafetensorError) as error:
            raise InputError(damaged(self.folder / LABELS_FILE)) from error


def read_decoded(folder: Path, kind: type[RecordT], version: int) -> Decoded[RecordT] | None:
    """Return the images in `folder` with their record of that kind, None if it is not complete.

    Raises `InputError` for a malformed record or one of another version, and for a file that is
    missing or has another size.
    """
    path = folder / RECORD_FILE
    try:
        record = kind.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        raise InputError(damaged(path)) from error
    if tuple(record.splits) != SPLIT_NAMES or record.version != version:
        raise InputError(damaged(path))
    for name, split in record.splits.items():
        pixels = folder / pixels_name(name)
        expected = split.count * 3 * record.resolution**2
        if not pixels.is_file() or pixels.stat().st_size != expected:
            raise InputError(damaged(pixels))
    return Decoded(folder=folder, record=record)


def pixels_name(split: SplitName) -> str:
    """Return the file name of a split's images."""
    return f"{split}.pixels"


def damaged(path: Path) -> str:
    """Return the line for a file that is not what the record says."""
    return f"{path}: damaged, or not of this version; delete {path.parent} to build it again"


def _mapped(path: Path, size: int) -> Tensor:
    if size == 0:
        return torch.empty(0, dtype=torch.uint8)
    # Private: writing to the tensor would not change the file.
    return torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_AT_ONCE):
            yield block
