"""The folders of released adapters: nothing of others is overwritten, and each is there or not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from mergebench.errors import InputError
from mergebench.files import Output, replacing_folder
from mergebench.protecting.loading_code import Naming
from mergebench.protecting.request import Request
from mergebench.report import write_text
from mergebench.updates import EXPORT_FILES, Update, save_adapter

CONFIG, WEIGHTS, *_ = EXPORT_FILES
CARD, PICTURE, RECORD = "README.md", "scale_curve.png", "record.json"
FILES = (CONFIG, WEIGHTS, CARD, PICTURE, RECORD)
"""What a folder holds."""


def check_output(request: Request) -> None:
    """Raise `InputError` unless the adapters may be written: before anything is trained."""
    inputs = [path for path in (request.data, request.names, request.store) if path is not None]
    place = Output(option="--out", inputs=inputs, is_own=lambda _: True)
    folders = [*map(request.folder, request.releases)]
    if not request.force:
        _check_own(request.out, folders)
    for folder in folders:
        place.check_folder(folder, FILES)
        if not request.force and folder.is_dir() and any(folder.iterdir()):
            raise InputError(
                f"--out {folder}: is there already: choose another name, or replace it with --force"
            )


def _check_own(out: Path, folders: Sequence[Path]) -> None:
    """Refuse an `out` with anything but `folders` and what was written there for others.

    An adapter's own folder, or one of data, was named by mistake. Hidden files do not count.
    """
    there = sorted(out.iterdir()) if out.is_dir() else []
    for one in there:
        if one not in folders and not (one / RECORD).is_file() and not one.name.startswith("."):
            raise InputError(
                f"--out {out}: has {one.name}, which is no adapter that protect wrote: choose "
                "another name, or write beside it with --force"
            )


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Give the folder to write an adapter's files in.

    A new one is there with all of them or not at all. In one with content each file replaces its
    predecessor, and what else lies there stays.
    """
    if folder.is_dir() and any(folder.iterdir()):
        yield folder
        return
    with replacing_folder(folder, keep=lambda there: any(there.iterdir())) as made:
        yield made


def write_weights(update: Update, folder: Path, naming: Naming) -> str:
    """Write the PEFT files, and return the SHA-256 of the weights' file."""
    save_adapter(update, folder, base_model=naming.base_model, layout=naming.layout)
    with (folder / WEIGHTS).open("rb") as opened:
        return sha256(opened.read()).hexdigest()


def write_record(record: dict[str, Any], folder: Path) -> None:
    """Write the record as JSON."""
    text = json.dumps(record, indent=1, sort_keys=True, allow_nan=False)
    write_text(folder / RECORD, f"{text}\n")
