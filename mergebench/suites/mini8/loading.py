"""Reading of a packed suite; every file is verified against the manifest first."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor

from mergebench.errors import InputError
from mergebench.suites.mini8.manifest import (
    MINI8_FOLDER,
    Manifest,
    SplitEntry,
    TaskEntry,
    read_manifest,
)
from mergebench.suites.options import SuiteOptions
from mergebench.suites.rows import check_tasks
from mergebench.suites.split_names import SPLIT_NAMES
from mergebench.suites.sprites import unpack_sheet
from mergebench.suites.suite import Split, Suite, Task, tensor_sha256

#: Labels of all splits: keys `<task>.<split>`, `(N,)` uint8.
LABELS_FILE = "labels.safetensors"
#: First 8 bytes of each image's SHA-256 before encoding: keys `<task>.<split>`, `(N,)` int64;
#: the split `captioned` has those of the pretraining images.
PIXEL_HASHES_FILE = "pixel_hashes.safetensors"


def load_mini8(
    tasks: Sequence[str] | None = None,
    *,
    folder: Path = MINI8_FOLDER,
    options: SuiteOptions | None = None,
) -> Suite:
    """Load the embedded suite, or only `tasks` of it in its own order; 32 px images.

    Its images come with the package, so `options`, which every suite takes, change nothing.
    Raises `InputError` when a task is unknown, or a file is missing, damaged or decodes otherwise
    than when it was packed.
    """
    manifest = read_manifest(folder)
    known = [entry.name for entry in manifest.tasks]
    wanted = known if tasks is None else list(tasks)
    check_tasks(wanted, known)
    labels = load(read_verified(folder, manifest, LABELS_FILE))
    loaded = tuple(
        _load_task(folder, manifest, entry, labels)
        for entry in manifest.tasks
        if entry.name in wanted
    )
    return Suite(name=manifest.name, tasks=loaded, size=manifest.resolution)


def read_verified(folder: Path, manifest: Manifest, name: str) -> bytes:
    """Read one file of the suite; raises `InputError` when its SHA-256 is not the manifest's."""
    path = folder / name
    if name not in manifest.files:
        raise InputError(f"{folder / 'manifest.json'}: lists no file {name!r}")
    if not path.exists():
        raise InputError(f"{path}: not found; reinstall the package or build the suite")
    content = path.read_bytes()
    found, expected = hashlib.sha256(content).hexdigest(), manifest.files[name].sha256
    if found != expected:
        raise InputError(
            f"{path}: SHA-256 is {found[:12]}..., the manifest has {expected[:12]}...; "
            "reinstall the package"
        )
    return content


def _load_task(
    folder: Path, manifest: Manifest, entry: TaskEntry, labels: Mapping[str, Tensor]
) -> Task:
    splits: dict[str, Split] = {}
    for name in SPLIT_NAMES:
        content = read_verified(folder, manifest, entry.splits[name].file)
        splits[name] = Split(
            inputs=_decode(folder, content, entry.splits[name], manifest.resolution),
            labels=labels[f"{entry.name}.{name}"].to(torch.int64),
        )
    return Task(name=entry.name, classes=entry.classes, templates=entry.templates, splits=splits)


def _decode(folder: Path, content: bytes, entry: SplitEntry, side: int) -> Tensor:
    tiles = torch.from_numpy(unpack_sheet(content, count=entry.count, side=side))
    images = tiles.permute(0, 3, 1, 2).contiguous()
    if tensor_sha256(images) != entry.pixels_sha256:
        raise InputError(
            f"{folder / entry.file}: decodes to other pixels than when it was packed; "
            "use a Pillow wheel with its own libwebp (pip install --force-reinstall pillow)"
        )
    return images
