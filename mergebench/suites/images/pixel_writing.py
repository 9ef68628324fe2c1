"""Writes the decoded images of one split to one file, and goes on where it was interrupted.

Images are decoded in the order of the source and written to their places in the split. Beside the
unfinished file lie the hashes of the images that are certainly on disk; at the end everything is
read back and compared with them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from mergebench.counting import Advance
from mergebench.errors import InputError
from mergebench.files import replacing
from mergebench.suites.images.decoding import square
from mergebench.suites.images.opening import few_at_once
from mergebench.suites.images.parts import Part, images_digest
from mergebench.suites.images.source import Indices, SourceSplit

CHECKPOINT = 512
"""Images between two states from which an interrupted build goes on."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """`tensor_sha256` of a split's images, and a hash of each image, `(N,)` int64."""

    sha256: str
    hashes: Indices


class PixelWriter:
    """Decodes the images of `part` of a source's split to `path`, `(N, 3, side, side)` uint8."""

    def __init__(self, path: Path, source: SourceSplit, part: Part, side: int) -> None:
        self.path = path
        self._source, self._side = source, side
        self._unfinished = path.with_name(f"{path.name}.unfinished")
        self._hashes_file = path.with_name(f"{path.name}.hashes.npy")
        # Ascending in the source, so that no file of it is read twice.
        self._places = np.argsort(part.indices, kind="stable")
        self._indices = part.indices[self._places]
        self._image_bytes = 3 * side * side
        self._hashes = self._earlier_hashes()

    @property
    def bytes_left(self) -> int:
        """Return how many bytes are still to be written."""
        return self._image_bytes * (len(self._places) - len(self._hashes))

    def decode(self, advance: Advance) -> None:
        """Decode what is not there yet; `advance` is told of images as they are on disk.

        Raises `InputError` for an image that cannot be decoded and for a disk that is full.
        """
        done = len(self._hashes)
        advance(done)
        images = self._source.images(self._indices[done:])
        with self._open() as file, ThreadPoolExecutor(torch.get_num_threads()) as threads:
            while done < len(self._places):
                rows = range(done, min(done + CHECKPOINT, len(self._places)))
                taken = zip(rows, islice(images, len(rows)), strict=True)
                pixels = few_at_once(threads, self._decoded, taken)
                for row, content in zip(rows, pixels, strict=True):
                    with self._writable():
                        file.seek(int(self._places[row]) * self._image_bytes)
                        file.write(content)
                    self._hashes.append(_hash(content))
                with self._writable():
                    file.flush()
                    os.fsync(file.fileno())
                    with replacing(self._hashes_file) as temporary, temporary.open("wb") as kept:
                        np.save(kept, np.array(self._hashes, dtype=np.int64))
                done = rows.stop
                advance(len(rows))

    def verified(self) -> Verified:
        """Read all images back; `InputError` if they are not those that were decoded."""
        hashes = np.empty(len(self._places), dtype=np.int64)
        hashes[self._places] = self._hashes
        digest = images_digest(len(hashes), self._side)
        with self._writable(), self._open() as file:
            for expected in hashes:
                content = file.read(self._image_bytes)
                digest.update(content)
                if _hash(content) != expected:
                    self._unfinished.unlink()
                    raise InputError(f"{self.path}: is not what was written to it; run again")
        return Verified(sha256=digest.hexdigest(), hashes=hashes)

    def finish(self) -> None:
        """Give the complete file its name."""
        os.replace(self._unfinished, self.path)
        self._hashes_file.unlink(missing_ok=True)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """Map what is decoded into memory, `(N, 3 * side * side)`, to be read only."""
        if not len(self._places):
            return np.empty((0, self._image_bytes), dtype=np.uint8)
        shape = (len(self._places), self._image_bytes)
        return np.memmap(self._unfinished, dtype=np.uint8, mode="r", shape=shape)

    def discard(self) -> None:
        """Remove what is decoded, and all that is beside it."""
        self._unfinished.unlink(missing_ok=True)
        self._hashes_file.unlink(missing_ok=True)

    def _earlier_hashes(self) -> list[int]:
        """Return the hashes of what an interrupted build has written, in the source's order."""
        try:
            known: list[int] = np.load(self._hashes_file).tolist()
        except (OSError, ValueError, EOFError):
            return []
        return known if self._unfinished.is_file() else []

    def _decoded(self, taken: tuple[int, Image.Image]) -> bytes:
        row, image = taken
        try:
            with image:
                return square(self._source.upright(image), self._side).tobytes()
        except MemoryError:
            raise
        except Exception as error:  # whatever a decoder comes across in a damaged file
            name = self._source.name_of(int(self._indices[row]))
            raise InputError(
                f"{name}: cannot be decoded ({_why(error)}); replace it, or fetch it again"
            ) from error

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        with self._writable():
            self._unfinished.touch()
            file = self._unfinished.open("r+b")
        try:
            yield file
        finally:
            with self._writable():
                file.close()

    @contextmanager
    def _writable(self) -> Iterator[None]:
        """Turn what goes wrong with this file, and with no image, into one line that names it."""
        try:
            yield
        except OSError as error:
            raise InputError(
                f"cannot write {self.path}: {error.strerror or error}; "
                "free some room or choose another --cache"
            ) from error


def _why(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _hash(content: bytes) -> int:
    """Return the first 8 bytes of the SHA-256 of an image's pixels."""
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "little", signed=True)
