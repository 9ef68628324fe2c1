"""Writes data of a user's own: folders of pictures by class, and files of labelled texts."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from mergebench.suites import OwnData, Suite, SuiteOptions, load_suite

SIDE = 8
CLASSES = ("circle", "square", "triangle")
Pairs = Sequence[tuple[str, object]]


def picture(*seed: object, size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    """Return a picture of noise, another for every seed; `size`: width and height."""
    draws = np.random.default_rng([*repr(seed).encode()])
    return Image.fromarray(draws.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def write_pictures(folder: Path, counts: Mapping[str, int], *, suffix: str = "png") -> Path:
    """Write `<folder>/<class>/<number>`, no two pictures equal; return the folder."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            file = folder / name / f"{number:03}.{suffix}"
            picture(folder.name, name, number).save(file)
    return folder


def pairs(split: str, counts: Mapping[str, int]) -> list[tuple[str, object]]:
    """Return texts with their labels, no two equal."""
    return [
        (f"{split} {label} {n}", label) for label, count in counts.items() for n in range(count)
    ]


def write_texts(file: Path, content: Pairs, *, delimiter: str = ",") -> Path:
    """Write texts in the format that the file's suffix says; return the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix.lower() == ".jsonl":
        lines = [json.dumps({"text": text, "label": label}) + "\n" for text, label in content]
        file.write_text("".join(lines))
    elif file.suffix.lower() == ".csv":
        with file.open("w", newline="") as opened:
            rows = csv.writer(opened, delimiter=delimiter)
            rows.writerows(
                [("id", "text", "label"), *((n, *pair) for n, pair in enumerate(content))]
            )
    else:
        columns = {"text": [text for text, _ in content], "label": [label for _, label in content]}
        pq.write_table(pa.table(columns), file)
    return file


def options_of(tmp_path: Path, *paths: Path, partial: bool = False, **own: object) -> SuiteOptions:
    """Return the options of a suite of these data, decoded into `tmp_path`."""
    return SuiteOptions(
        cache=tmp_path / "cache",
        resolution=SIDE,
        partial=partial,
        own=OwnData(paths=paths, **own),
    )


def load(tmp_path: Path, *paths: Path, **options: object) -> Suite:
    """Load a suite of images of these paths."""
    return load_suite("own", options=options_of(tmp_path, *paths, **options))
