"""What every source of a task offers, whatever its format."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mergebench.errors import InputError
from mergebench.suites.images.upright import of_eight_bits

Indices = NDArray[np.int64]


class SourceSplit(ABC):
    """The images of one split of a source, in the source's order."""

    @property
    @abstractmethod
    def count(self) -> int:
        """Return the number of images, without decoding any."""

    @property
    @abstractmethod
    def labels(self) -> Indices:
        """Return the labels `(count,)` int64."""

    @property
    @abstractmethod
    def identity(self) -> Sequence[object]:
        """Return what tells these images from others without reading them; it goes into JSON."""

    @abstractmethod
    def name_of(self, index: int) -> str:
        """Return what an error line calls one image."""

    @abstractmethod
    def images(self, indices: Indices) -> Iterator[Image.Image]:
        """Yield the images at these ascending indices; they may be decoded later, on first use."""

    def upright(self, image: Image.Image) -> Image.Image:
        """Return one of `images` as it is to be looked at, in 8 bits a channel.

        As its file has it, if not known better. Raises `ValueError` for pixels whose meaning is not
        known.
        """
        return of_eight_bits(image)


def file_state(path: Path) -> tuple[int, int]:
    """Return a file's size in bytes and its time of change, by which a replaced one is noticed.

    Raises `InputError` naming one that cannot be looked at.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; replace it, or fetch it again") from error
    return found.st_size, found.st_mtime_ns


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the images of one task were found.

    `format` is what captions state, `place` the folder.
    `splits` has the keys `train`, `test` and perhaps `val`, or only `all`.
    """

    format: str
    place: str
    splits: Mapping[str, SourceSplit]

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Return the number of images by split."""
        return {name: split.count for name, split in self.splits.items()}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what tells this source from another or changed one: names, sizes, times."""
        identity = {name: [*split.identity] for name, split in sorted(self.splits.items())}
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()

    def __str__(self) -> str:
        """Return format and place."""
        return f"{self.format} in {self.place}"
