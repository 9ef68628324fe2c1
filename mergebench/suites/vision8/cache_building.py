"""Builds a folder of the cache: resumable, one process at a time, complete or not there at all."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from mergebench.counting import Counting
from mergebench.files import replacing
from mergebench.suites.images import (
    LABELS_FILE,
    RECORD_FILE,
    PixelWriter,
    Source,
    SplitRecord,
    check_room,
    one_at_a_time,
    pixels_name,
)
from mergebench.suites.options import SuiteOptions
from mergebench.suites.split_names import WHOLE, SplitName
from mergebench.suites.suite import tensor_sha256
from mergebench.suites.vision8.cache import VERSION, Entry, Record, entry_folder, read_entry
from mergebench.suites.vision8.held_out import keep_count
from mergebench.suites.vision8.leaks import Shared, shared_images
from mergebench.suites.vision8.splitting import parts_of
from mergebench.suites.vision8.tasks import TaskRow


def cached(row: TaskRow, source: Source, options: SuiteOptions, counting: Counting) -> Entry:
    """Return the entry of a source at `options.resolution`, decoding its images on first use.

    An interrupted build goes on where it stopped. Of several processes one builds and the others
    wait. Raises `InputError` for an image that cannot be decoded, a disk without enough room and a
    folder that cannot be written.
    """
    folder = entry_folder(row, source, options)
    entry = read_entry(folder)
    if entry is not None:
        return entry
    with one_at_a_time(folder, counting):
        return read_entry(folder) or _build(row, source, options, folder, counting)


def _build(
    row: TaskRow, source: Source, options: SuiteOptions, folder: Path, counting: Counting
) -> Entry:
    parts = parts_of(row, source, cars_leak=options.cars_leak)
    side = options.resolution
    writers = {
        name: PixelWriter(folder / pixels_name(name), source.splits[part.source], part, side)
        for name, part in parts.items()
    }
    check_room(folder, sum(writer.bytes_left for writer in writers.values()))
    label = f"{row.name}: decoding to {side} px"
    with counting(label, sum(map(len, parts.values()))) as advance:
        for writer in writers.values():
            writer.decode(advance)
    images = {name: writer.verified() for name, writer in writers.items()}
    labels: dict[str, Tensor] = {
        name: torch.from_numpy(source.splits[part.source].labels[part.indices])
        for name, part in parts.items()
    }
    hashes = {name: found.hashes for name, found in images.items()}
    shared = shared_images(hashes, parts, source)
    with replacing(folder / LABELS_FILE) as temporary:
        save_file(labels, temporary)
    for writer in writers.values():
        writer.finish()
    splits: dict[SplitName, SplitRecord] = {
        name: SplitRecord(
            count=len(parts[name]),
            images_sha256=images[name].sha256,
            labels_sha256=tensor_sha256(labels[name]),
        )
        for name in parts
    }
    keep_count(folder, hashes)
    record = _record(row, source, options, shared, splits)
    with replacing(folder / RECORD_FILE) as temporary:
        temporary.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return Entry(folder=folder, record=record)


def _record(
    row: TaskRow,
    source: Source,
    options: SuiteOptions,
    shared: Shared,
    splits: dict[SplitName, SplitRecord],
) -> Record:
    return Record(
        version=VERSION,
        task=row.name,
        resolution=options.resolution,
        cars_leak=options.cars_leak and row.name == "cars",
        source=source.format,
        place=source.place,
        dealt=WHOLE in source.splits,
        leaked=shared.places,
        examples=shared.examples,
        splits=splits,
    )
