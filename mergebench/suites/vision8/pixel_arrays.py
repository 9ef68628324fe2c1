"""Splits whose images are one array in one file: MNIST's idx and SVHN's MATLAB files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import loadmat, whosmat

from mergebench.errors import InputError
from mergebench.suites.idx import read_idx
from mergebench.suites.images import Indices, Source, SourceSplit, file_state

Pixels = NDArray[np.uint8]
_SIDES = (28, 28)


@dataclass(frozen=True, kw_only=True)
class PixelArray(SourceSplit):
    """Equal images in one file; `read(path)` gives them as `(N, H, W)` or `(N, H, W, 3)` uint8."""

    path: Path
    known_labels: Indices
    read: Callable[[Path], Pixels]

    @property
    def count(self) -> int:
        """Return the number of labels; the file was checked to have as many images."""
        return len(self.known_labels)

    @property
    def labels(self) -> Indices:
        """Return the labels `(count,)`."""
        return self.known_labels

    @property
    def identity(self) -> Sequence[object]:
        """Return the file's name and state, and its labels."""
        return [self.path.name, *file_state(self.path), self.known_labels.tolist()]

    def name_of(self, index: int) -> str:
        """Return file and position."""
        return f"{self.path}, image {index}"

    def images(self, indices: Indices) -> Iterator[Image.Image]:
        """Read the file once and yield its images."""
        pixels = self.read(self.path)
        for index in indices:
            yield Image.fromarray(pixels[index])


def find_idx(folder: Path) -> Source | None:
    """Find MNIST's four idx files in `folder`, gzipped or not; None unless all are there.

    Raises `InputError` for a file of another format or shape and for unequal counts.
    """
    splits: dict[str, SourceSplit] = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images = _plain_or_gzipped(folder / f"{prefix}-images-idx3-ubyte")
        labels = _plain_or_gzipped(folder / f"{prefix}-labels-idx1-ubyte")
        if images is None or labels is None:
            return None
        pixels, known = _read_idx(images), _read_idx(labels)
        _check_shape(images, pixels.shape, _SIDES)
        _check_shape(labels, known.shape, ())
        _check_counts(images, len(pixels), len(known))
        splits[split] = PixelArray(path=images, known_labels=known.astype(np.int64), read=_read_idx)
    return Source(format="idx files", place=str(folder), splits=splits)


def find_svhn_mat(folder: Path) -> Source | None:
    """Find SVHN's `train_32x32.mat` and `test_32x32.mat` in `folder`; None unless both are there.

    Label 10 is the digit 0. Raises `InputError` for a file of another format.
    """
    files = {split: folder / f"{split}_32x32.mat" for split in ("train", "test")}
    if not all(path.is_file() for path in files.values()):
        return None
    splits: dict[str, SourceSplit] = {}
    for split, path in files.items():
        with _matlab_file(path):
            arrays = {name: (shape, kind) for name, shape, kind in whosmat(path)}
            shape, kind = arrays["X"]
            labels = loadmat(path, variable_names=["y"])["y"].ravel()
        if shape[:3] != (32, 32, 3) or len(shape) != 4 or kind != "uint8":
            raise InputError(
                f"{path}: X is {shape} {kind}, expected (32, 32, 3, N) uint8; fetch it again"
            )
        _check_counts(path, shape[3], len(labels))
        strange = labels[~np.isin(labels, range(11))]
        if len(strange):
            raise InputError(
                f"{path}: y has the label {strange[0]}, expected 1 to 10; fetch it again"
            )
        known = labels.astype(np.int64) % 10
        splits[split] = PixelArray(path=path, known_labels=known, read=_read_svhn)
    return Source(format="MATLAB files", place=str(folder), splits=splits)


def _plain_or_gzipped(path: Path) -> Path | None:
    for candidate in (path, path.with_name(f"{path.name}.gz")):
        if candidate.is_file():
            return candidate
    return None


def _read_idx(path: Path) -> Pixels:
    try:
        return read_idx(path)
    except MemoryError:
        raise
    except Exception as error:  # whatever gzip comes across in a damaged file
        raise InputError(f"{path}: {error}; fetch it again") from error


def _read_svhn(path: Path) -> Pixels:
    with _matlab_file(path):
        pixels: Pixels = np.moveaxis(loadmat(path, variable_names=["X"])["X"], 3, 0)
    return pixels


@contextmanager
def _matlab_file(path: Path) -> Iterator[None]:
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:  # whatever scipy comes across in a damaged or newer file
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"{path}: not a MATLAB file with X (32, 32, 3, N) and y ({reason}); fetch it again"
        ) from error


def _check_shape(path: Path, found: tuple[int, ...], sides: tuple[int, ...]) -> None:
    """Raise `InputError` unless `found` is a count and `sides`."""
    if not found or found[1:] != sides:
        expected = f"({', '.join(['N', *map(str, sides)])}{'' if sides else ','})"
        raise InputError(f"{path}: has the shape {found}, expected {expected}; fetch it again")


def _check_counts(path: Path, images: int, labels: int) -> None:
    if images != labels:
        raise InputError(f"{path}: {images} images but {labels} labels; fetch both files again")
