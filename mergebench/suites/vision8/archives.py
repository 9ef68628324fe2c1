"""The original archives as torchvision unpacks them: where each task's lie and how to read them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from mergebench.errors import InputError
from mergebench.suites.images import ImageFiles, Source, SourceSplit
from mergebench.suites.prompts import Prompts
from mergebench.suites.split_names import WHOLE
from mergebench.suites.vision8.image_files import class_folders, files_in
from mergebench.suites.vision8.pixel_arrays import find_idx, find_svhn_mat


def find_archive(data_root: Path, prompts: Prompts, *, partial: bool) -> Source | None:
    """Find the unpacked archive of a task in `data_root` or in its folder of the task's name.

    None when it is not there or the task (RESISC45) has none. Raises `InputError` naming the file
    when an annotation file is missing or malformed, and for classes that the task does not have.
    """
    find = _FINDERS.get(prompts.task)
    for folder in (data_root, data_root / prompts.task):
        source = None if find is None else find(folder, prompts, partial)
        if source is not None:
            return source
    return None


def _cars(root: Path, prompts: Prompts, partial: bool) -> Source | None:
    folder = root / "stanford_cars"
    if not (folder / "devkit").is_dir():
        return None
    with _readable(folder / "devkit" / "cars_meta.mat") as path:
        names = np.atleast_1d(loadmat(path, squeeze_me=True)["class_names"]).tolist()
    order = prompts.order_of(names, str(path), partial=partial)
    annotations = {
        "train": folder / "devkit" / "cars_train_annos.mat",
        "test": folder / "cars_test_annos_withlabels.mat",
    }
    splits: dict[str, SourceSplit] = {}
    for split, file in annotations.items():
        with _readable(file) as path:
            rows = np.atleast_1d(loadmat(path, squeeze_me=True)["annotations"])
            samples = tuple(
                (f"cars_{split}/{row['fname']}", order[_place(row, len(order))]) for row in rows
            )
        splits[split] = ImageFiles(root=folder, samples=samples)
    return Source(format="original archive", place=str(folder), splits=splits)


def _place(row: Any, classes: int) -> int:
    """Return the place of an annotation's class, which is numbered from 1, in the list of names."""
    number = int(row["class"])
    if not 1 <= number <= classes:
        raise ValueError(f"{row['fname']} has the class {number}, expected 1 to {classes}")
    return number - 1


def _dtd(root: Path, prompts: Prompts, partial: bool) -> Source | None:
    folder = root / "dtd" / "dtd"
    if not (folder / "labels").is_dir():
        return None
    names = class_folders(folder / "images") if (folder / "images").is_dir() else []
    order = dict(zip(names, prompts.order_of(names, str(folder), partial=partial), strict=True))
    splits: dict[str, SourceSplit] = {}
    for split in ("train", "val", "test"):  # the first of ten divisions, as the paper's
        with _readable(folder / "labels" / f"{split}1.txt") as path:
            lines = path.read_text().split()
            samples = tuple((f"images/{line}", order[line.split("/")[0]]) for line in lines)
        splits[split] = ImageFiles(root=folder, samples=samples)
    return Source(format="original archive", place=str(folder), splits=splits)


def _eurosat(root: Path, prompts: Prompts, partial: bool) -> Source | None:
    folder = root / "eurosat" / "2750"
    if not folder.is_dir():
        return None
    files = files_in(folder, class_folders(folder), prompts, partial=partial)
    return Source(format="original archive", place=str(folder), splits={WHOLE: files})


def _gtsrb(root: Path, prompts: Prompts, partial: bool) -> Source | None:
    folder = root / "gtsrb"
    training = folder / "GTSRB" / "Training"
    if not training.is_dir():
        return None
    # Class by class, as torchvision lists them; the order of the test images is that of the list.
    files = files_in(training, class_folders(training), prompts, partial=partial)
    train = ImageFiles(root=training, samples=tuple(sorted(files.samples)))
    with _readable(folder / "GT-final_test.csv") as path, path.open(newline="") as lines:
        rows = csv.DictReader(lines, delimiter=";", skipinitialspace=True)
        samples = tuple((row["Filename"], int(row["ClassId"])) for row in rows)
    test = ImageFiles(root=folder / "GTSRB" / "Final_Test" / "Images", samples=samples)
    return Source(
        format="original archive", place=str(folder), splits={"train": train, "test": test}
    )


def _aircraft(root: Path, prompts: Prompts, partial: bool) -> Source | None:
    folder = root / "fgvc-aircraft-2013b" / "data"
    if not folder.is_dir():
        return None
    with _readable(folder / "variants.txt") as path:
        names = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    order = dict(zip(names, prompts.order_of(names, str(path), partial=partial), strict=True))
    splits: dict[str, SourceSplit] = {}
    for split in ("train", "val", "test"):
        with _readable(folder / f"images_variant_{split}.txt") as path:
            pairs = [line.strip().split(" ", 1) for line in path.read_text().splitlines()]
            samples = tuple((f"images/{number}.jpg", order[name]) for number, name in pairs)
        splits[split] = ImageFiles(root=folder, samples=samples)
    return Source(format="original archive", place=str(folder), splits=splits)


def _mnist(root: Path, prompts: Prompts, partial: bool) -> Source | None:
    return find_idx(root / "MNIST" / "raw")


def _svhn(root: Path, prompts: Prompts, partial: bool) -> Source | None:
    return find_svhn_mat(root)


_FINDERS: Mapping[str, Callable[[Path, Prompts, bool], Source | None]] = {
    "cars": _cars,
    "dtd": _dtd,
    "eurosat": _eurosat,
    "gtsrb": _gtsrb,
    "mnist": _mnist,
    "aircraft": _aircraft,
    "svhn": _svhn,
}


@contextmanager
def _readable(path: Path) -> Iterator[Path]:
    """Turn whatever goes wrong while an annotation file is read into one line that names it."""
    try:
        yield path
    except (InputError, MemoryError):
        raise
    except Exception as error:  # whatever a reader comes across in a damaged file
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"{path}: not readable as annotations ({reason}); fetch it again"
        ) from error
