"""Decoded images of the user's own: one folder per state of the files, and resolution.

All images are decoded first, as which of them are the same is seen in their pixels at that
resolution; then those that are kept are copied to their splits.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from mergebench.counting import Counting
from mergebench.files import replacing
from mergebench.suites.images import (
    LABELS_FILE,
    RECORD_FILE,
    Decoded,
    DecodedRecord,
    Part,
    PixelWriter,
    Source,
    SplitRecord,
    check_room,
    copy_images,
    one_at_a_time,
    pixels_name,
    read_decoded,
)
from mergebench.suites.options import SuiteOptions
from mergebench.suites.own.dealing import Place, dealt
from mergebench.suites.own.image_folders import ImageFolders
from mergebench.suites.own.rows import OwnRow
from mergebench.suites.split_names import SplitName
from mergebench.suites.splitting import Labelled
from mergebench.suites.suite import tensor_sha256

#: Raised whenever the same files give other images, splits or files than before.
VERSION = 1


class OwnRecord(DecodedRecord):
    """What a folder holds; `notes`: what captions state of the splits, one sentence each."""

    notes: tuple[str, ...]


def cached(
    row: OwnRow, found: ImageFolders, options: SuiteOptions, counting: Counting
) -> Decoded[OwnRecord]:
    """Return the images of a task at `options.resolution`, decoded on first use.

    An interrupted build goes on where it stopped. Of several processes one builds and the others
    wait. Raises `InputError` for an image that cannot be decoded, for too few different ones, for a
    disk without enough room and for a folder that cannot be written.
    """
    source = Source(format="image folders", place=str(row.path), splits=found.files)
    folder = _folder(row, source, options)
    entry = read_decoded(folder, OwnRecord, VERSION)
    if entry is not None:
        return entry
    with one_at_a_time(folder, counting):
        entry = read_decoded(folder, OwnRecord, VERSION)
        return entry or _build(row, found, source, options, folder, counting)


def _folder(row: OwnRow, source: Source, options: SuiteOptions) -> Path:
    """Return where the images are kept; files that are changed are others."""
    content = [VERSION, row.name, source.fingerprint, options.partial]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    return options.cache / "own" / row.name / f"{options.resolution}px-{key}"


def _build(
    row: OwnRow,
    found: ImageFolders,
    source: Source,
    options: SuiteOptions,
    folder: Path,
    counting: Counting,
) -> Decoded[OwnRecord]:
    side, total = options.resolution, sum(source.counts.values())
    writers = {
        name: PixelWriter(
            folder / f"{name}.decoded",
            split,
            Part(source=name, indices=np.arange(split.count)),
            side,
        )
        for name, split in source.splits.items()
    }
    left = sum(writer.bytes_left for writer in writers.values())
    check_room(folder, left + 3 * side * side * total)
    with counting(f"{row.name}: decoding to {side} px", total) as advance:
        for writer in writers.values():
            writer.decode(advance)
    hashes = {name: writer.verified().hashes.tolist() for name, writer in writers.items()}
    splits, notes = dealt(row, found, hashes, partial=options.partial)
    record = OwnRecord(
        version=VERSION,
        task=row.name,
        resolution=side,
        source=source.format,
        splits=_written(folder, side, writers, splits),
        notes=notes,
    )
    with replacing(folder / RECORD_FILE) as temporary:
        temporary.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    for writer in writers.values():
        writer.discard()
    return Decoded(folder=folder, record=record)


def _written(
    folder: Path, side: int, writers: dict[str, PixelWriter], splits: Labelled[Place]
) -> dict[SplitName, SplitRecord]:
    """Copy the images of each split to its file, and write the labels."""
    records: dict[SplitName, SplitRecord] = {}
    labels: dict[str, Tensor] = {}
    decoded = {name: writer.pixels for name, writer in writers.items()}  # each is an open file
    for name, examples in splits.items():
        labels[name] = torch.tensor([one.label for one in examples], dtype=torch.int64)
        rows = [(decoded[file], place) for file, place in (one.value for one in examples)]
        records[name] = SplitRecord(
            count=len(examples),
            images_sha256=copy_images(rows, folder / pixels_name(name), side),
            labels_sha256=tensor_sha256(labels[name]),
        )
    with replacing(folder / LABELS_FILE) as temporary:
        save_file(labels, temporary)
    return records
