"""Writes miniature data sets in the formats in which the eight data sets are kept on disk."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from scipy.io import savemat

from mergebench.suites.vision8.prompts import prompts_of
from mergebench.suites.vision8.tasks import task_rows

COMMIT = "0123456789abcdef0123456789abcdef01234567"
#: Shapes (height, width) of the images; those of MNIST and SVHN are fixed by their formats.
SHAPES = {"mnist": [(28, 28)], "svhn": [(32, 32)]}
OTHER_SHAPES = [(40, 52), (33, 21), (24, 24), (30, 41)]
#: Tasks whose archives hold raw pixels; those of the others hold JPEG files.
LOSSLESS = ("gtsrb", "mnist", "svhn")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image: pixels `(H, W)` or `(H, W, 3)` uint8, the bytes of its file, and its label."""

    pixels: np.ndarray
    content: bytes
    label: int


Splits = Mapping[str, Sequence[Picture]]


def pictures(
    task: str, sizes: Mapping[str, int], *, classes: int = 3, seed: int = 0, learnable: bool = False
) -> Splits:
    """Return random pictures by split; every split has all of the first `classes` classes.

    Where they are `learnable`, those of a higher label are brighter.
    """
    draws = np.random.default_rng([seed, *task.encode()])
    shapes = SHAPES.get(task, OTHER_SHAPES)
    return {
        split: [
            _picture(
                task,
                shapes[i % len(shapes)],
                int(label),
                draws,
                brightness=range(255 * label // classes, 255 * (label + 1) // classes)
                if learnable
                else range(256),
            )
            for i, label in enumerate(draws.permutation(np.arange(count) % classes))
        ]
        for split, count in sizes.items()
    }


def _picture(
    task: str,
    shape: tuple[int, int],
    label: int,
    draws: np.random.Generator,
    *,
    brightness: range,
) -> Picture:
    whole = shape if task == "mnist" else (*shape, 3)
    pixels = draws.integers(brightness.start, brightness.stop, whole, dtype=np.uint8)
    content = io.BytesIO()
    image = Image.fromarray(pixels)
    image.save(content, "PNG") if task in LOSSLESS else image.save(content, "JPEG", quality=90)
    return Picture(pixels=pixels, content=content.getvalue(), label=label)


def labels(splits: Splits, split: str) -> np.ndarray:
    """Return the labels of one split."""
    return np.array([picture.label for picture in splits[split]])


# --- local copies and the hub ---------------------------------------------------------------


def write_image_folders(root: Path, task: str, splits: Splits) -> None:
    """`<root>/<task>/<split>/<class>/<number>`, numbered in the order of the split."""
    names = prompts_of(task).labels
    suffix = "png" if task in LOSSLESS else "jpg"
    for split, content in splits.items():
        for number, picture in enumerate(content):
            name = names[picture.label].replace("/", "-")
            file = root / task / split / name / f"{number:05d}.{suffix}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(picture.content)


def write_parquet(
    folder: Path,
    task: str,
    splits: Splits,
    *,
    shards: int = 1,
    named: bool = True,
    label_column: str = "label",
    names: Sequence[str] | None = None,
) -> None:
    """Write the files as the hub does: rows of {bytes, path} and a label, names as metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, content in splits.items():
        for shard in range(shards):
            chosen = np.array_split(np.arange(len(content)), shards)[shard]
            images = [{"bytes": content[i].content, "path": f"{split}_{i}.jpg"} for i in chosen]
            table = pa.table(
                {
                    "image": pa.array(
                        images, pa.struct([("bytes", pa.binary()), ("path", pa.string())])
                    ),
                    label_column: pa.array([content[i].label for i in chosen], pa.int64()),
                }
            )
            if named:
                features = {
                    "image": {"_type": "Image"},
                    label_column: {
                        "names": list(names or prompts_of(task).labels),
                        "_type": "ClassLabel",
                    },
                }
                noted = json.dumps({"info": {"features": features}})
                table = table.replace_schema_metadata({"huggingface": noted})
            name = {"val": "validation"}.get(split, split)
            file = folder / f"{name}-{shard:05d}-of-{shards:05d}.parquet"
            pq.write_table(table, file, row_group_size=4)


def write_hub_cache(cache: Path, task: str, splits: Splits, *, config: str = "data") -> Path:
    """Lay a downloaded data set into a cache of the hub's client; return its folder of files."""
    repository = task_rows([task])[0].hub.repository
    folder = cache / f"datasets--{repository.replace('/', '--')}"
    files = folder / "snapshots" / COMMIT / config
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    write_parquet(files, task, splits)
    return files


# --- original archives ----------------------------------------------------------------------


def write_archive(root: Path, task: str, splits: Splits) -> None:
    """Write what torchvision unpacks of the task's archive into `root`."""
    _WRITERS[task](root, splits)


def _write(file: Path, content: bytes | str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


def _write_mnist(root: Path, splits: Splits) -> None:
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images = np.stack([picture.pixels for picture in splits[split]])
        found = labels(splits, split).astype(np.uint8)
        raw = root / "MNIST" / "raw"
        head = b"\0\0\x08\x03" + np.array(images.shape, ">u4").tobytes()
        _write(raw / f"{prefix}-images-idx3-ubyte", head + images.tobytes())
        head = b"\0\0\x08\x01" + np.array(found.shape, ">u4").tobytes()
        _write(raw / f"{prefix}-labels-idx1-ubyte.gz", gzip.compress(head + found.tobytes()))


def _write_svhn(root: Path, splits: Splits) -> None:
    for split in ("train", "test"):
        images = np.stack([picture.pixels for picture in splits[split]], axis=-1)
        found = labels(splits, split).astype(np.uint8)
        found[found == 0] = 10
        root.mkdir(parents=True, exist_ok=True)
        content = {"X": images, "y": found[:, None]}
        savemat(root / f"{split}_32x32.mat", content, do_compression=True)


def _write_gtsrb(root: Path, splits: Splits) -> None:
    base = root / "gtsrb"
    names = prompts_of("gtsrb").labels
    for number, picture in enumerate(splits["train"]):
        folder = base / "GTSRB" / "Training" / names[picture.label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.pixels).save(folder / f"00000_{number:05d}.ppm")
        _write(folder / f"GT-{names[picture.label]}.csv", "Filename;Width\n")
    lines = ["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"]
    folder = base / "GTSRB" / "Final_Test" / "Images"
    folder.mkdir(parents=True)
    for number, picture in enumerate(splits["test"]):
        Image.fromarray(picture.pixels).save(folder / f"{number:05d}.ppm")
        height, width = picture.pixels.shape[:2]
        lines.append(f"{number:05d}.ppm;{width};{height};1;1;9;9;{picture.label}")
    _write(base / "GT-final_test.csv", "\n".join(lines) + "\n")


def _write_dtd(root: Path, splits: Splits) -> None:
    base, names = root / "dtd" / "dtd", prompts_of("dtd").labels
    for split, content in splits.items():
        lines = []
        for number, picture in enumerate(content):
            name = names[picture.label]
            lines.append(f"{name}/{name}_{split}{number:04d}.jpg")
            _write(base / "images" / lines[-1], picture.content)
        _write(base / "labels" / f"{split}1.txt", "\n".join(lines) + "\n")


def _write_aircraft(root: Path, splits: Splits) -> None:
    base, names = root / "fgvc-aircraft-2013b" / "data", prompts_of("aircraft").labels
    _write(base / "variants.txt", "\n".join(names) + "\n")
    for start, (split, content) in zip((1000, 2000, 3000), splits.items(), strict=True):
        lines = []
        for number, picture in enumerate(content, start):
            lines.append(f"{number:07d} {names[picture.label]}")
            _write(base / "images" / f"{number:07d}.jpg", picture.content)
        _write(base / f"images_variant_{split}.txt", "\n".join(lines) + "\n")


def _write_cars(root: Path, splits: Splits) -> None:
    base = root / "stanford_cars"
    (base / "devkit").mkdir(parents=True)
    names = np.array([prompts_of("cars").labels], dtype=object)
    savemat(base / "devkit" / "cars_meta.mat", {"class_names": names})
    files = {
        "train": base / "devkit" / "cars_train_annos.mat",
        "test": base / "cars_test_annos_withlabels.mat",
    }
    kinds = [(f"bbox_{place}", object) for place in ("x1", "y1", "x2", "y2")]
    for split, file in files.items():
        rows = np.empty(
            (1, len(splits[split])), dtype=[*kinds, ("class", object), ("fname", object)]
        )
        for number, picture in enumerate(splits[split]):
            name = f"{number + 1:05d}.jpg"
            rows[0, number] = (1, 1, 9, 9, picture.label + 1, name)
            _write(base / f"cars_{split}" / name, picture.content)
        savemat(file, {"annotations": rows})


def _write_eurosat(root: Path, splits: Splits) -> None:
    names = prompts_of("eurosat").labels
    for number, picture in enumerate(splits["all"]):
        name = names[picture.label]
        _write(root / "eurosat" / "2750" / name / f"{name}_{number}.jpg", picture.content)


_WRITERS = {
    "cars": _write_cars,
    "dtd": _write_dtd,
    "eurosat": _write_eurosat,
    "gtsrb": _write_gtsrb,
    "mnist": _write_mnist,
    "aircraft": _write_aircraft,
    "svhn": _write_svhn,
}
