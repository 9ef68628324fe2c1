"""Writing of a packed suite: sprite sheets, labels, pixel hashes and the manifest."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save

from mergebench.provenance.suite.task_images import SPLITS, LabelledImages, TaskImages
from mergebench.suites import (
    SPLIT_NAMES,
    Split,
    SplitName,
    Suite,
    Task,
    pack_sheet,
    tensor_sha256,
    unpack_sheet,
)
from mergebench.suites.mini8 import (
    LABELS_FILE,
    PIXEL_HASHES_FILE,
    FileEntry,
    Manifest,
    SourceEntry,
    SplitEntry,
    TaskEntry,
)

#: Sheets that cost more bytes per image than this without loss are encoded at `LOSSY_QUALITY`.
LOSSLESS_BYTES_PER_IMAGE = 500
LOSSY_QUALITY = 90


def pixel_hashes(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """First 8 bytes of the SHA-256 of each image, as `(N,)` int64."""
    digests = [hashlib.sha256(image.tobytes()).digest()[:8] for image in images]
    return np.frombuffer(b"".join(digests), dtype="<i8").astype(np.int64)


def pack_suite(name: str, tasks: Sequence[TaskImages], folder: Path) -> Manifest:
    """Write the files of a suite into `folder` and return its manifest.

    Sheets of an earlier suite there are removed. The same tasks give the same bytes. Raises
    `ValueError` when two splits, `captioned` included, share an image, or labels exceed 255.
    """
    hashes = {
        f"{task.name}.{split}": pixel_hashes(task.splits[split].images)
        for task in tasks
        for split in SPLITS
    }
    _check_disjoint(hashes)
    contents: dict[str, bytes] = {
        LABELS_FILE: save(
            {
                f"{task.name}.{split}": _small(task.splits[split].labels)
                for task in tasks
                for split in SPLIT_NAMES
            }
        ),
        PIXEL_HASHES_FILE: save(hashes),
    }
    packed = [_pack_task(task, contents) for task in tasks]
    suite = Suite(name=name, tasks=tuple(task for task, _ in packed), size=_side(tasks[0]))
    manifest = Manifest(
        name=name,
        resolution=suite.size,
        sha256=suite.sha256,
        tasks=tuple(entry for _, entry in packed),
        files={
            file: FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
            for file, content in sorted(contents.items())
        },
    )
    _write(folder, contents, manifest)
    return manifest


def _small(labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    if labels.min() < 0 or labels.max() > 255:
        raise ValueError(f"labels from {labels.min()} to {labels.max()} do not fit one byte")
    return labels.astype(np.uint8)


def _side(task: TaskImages) -> int:
    return int(task.splits["train"].images.shape[1])


def _check_disjoint(hashes: dict[str, NDArray[np.int64]]) -> None:
    owner: dict[int, str] = {}
    for split, values in hashes.items():
        for value in set(values.tolist()):
            if value in owner:
                raise ValueError(f"an image of {split} is also in {owner[value]}")
            owner[value] = split


def _pack_task(task: TaskImages, contents: dict[str, bytes]) -> tuple[Task, TaskEntry]:
    """Add the sheets of one task to `contents`; return the task as it decodes, and its entry."""
    splits: dict[str, Split] = {}
    entries: dict[SplitName, SplitEntry] = {}
    for name in SPLIT_NAMES:
        file = f"{task.name}-{name}.webp"
        contents[file], lossless = _encode(task.splits[name])
        splits[name] = _decoded(contents[file], task.splits[name])
        entries[name] = SplitEntry(
            file=file,
            count=len(splits[name]),
            lossless=lossless,
            pixels_sha256=tensor_sha256(splits[name].inputs),
        )
    entry = TaskEntry(
        name=task.name,
        classes=task.classes,
        templates=task.templates,
        sources=tuple(SourceEntry(**dataclasses.asdict(source)) for source in task.sources),
        note=task.note,
        rendered=task.rendered,
        captioned=len(task.splits["captioned"].labels),
        splits=entries,
    )
    loaded = Task(name=task.name, classes=task.classes, templates=task.templates, splits=splits)
    return loaded, entry


def _encode(split: LabelledImages) -> tuple[bytes, bool]:
    sheet = pack_sheet(split.images, lossless=True)
    if len(sheet) <= LOSSLESS_BYTES_PER_IMAGE * len(split.images):
        return sheet, True
    return pack_sheet(split.images, lossless=False, quality=LOSSY_QUALITY), False


def _decoded(sheet: bytes, split: LabelledImages) -> Split:
    count, side = split.images.shape[:2]
    tiles = torch.from_numpy(unpack_sheet(sheet, count=count, side=side))
    return Split(
        inputs=tiles.permute(0, 3, 1, 2).contiguous(), labels=torch.from_numpy(split.labels)
    )


def _write(folder: Path, contents: dict[str, bytes], manifest: Manifest) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.webp"):
        stale.unlink()
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    text = manifest.model_dump_json(indent=1)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
