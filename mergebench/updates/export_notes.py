"""How the files of `merge` and `export` are told from files of others."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from mergebench.files import replacing
from mergebench.updates.adapter_config import CONFIG_NAME
from mergebench.updates.adapter_folder import WEIGHTS_NAME
from mergebench.updates.adapters import METADATA_KEY

NOTE_NAME = "mergebench.json"
EXPORT_FILES = (CONFIG_NAME, WEIGHTS_NAME, NOTE_NAME)
"""The files of an exported folder."""

_HASH = "weights_sha256"


def files_of(adapter: str | Path) -> list[Path]:
    """Return the folder or the files that `load_update` reads, or would if they were there."""
    path = Path(adapter)
    if os.path.isdir(path):
        return [path]
    return [path, path.with_name(CONFIG_NAME)]


def is_merged(file: Path) -> bool:
    """Whether `file` is a merge that `save_dense` wrote: its header states the attack."""
    try:
        with safe_open(file, "pt") as opened:
            note = json.loads((opened.metadata() or {})[METADATA_KEY])
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError):
        return False
    return isinstance(note, dict) and "attack" in note


def note_export(folder: Path, about: Mapping[str, object]) -> None:
    """Write beside an adapter that it was exported: `about`, and the hash of its weights.

    PEFT reads its own two files only. Raises `InputError` when the folder cannot be written.
    """
    note = {**about, _HASH: _sha256(folder / WEIGHTS_NAME)}
    with replacing(folder / NOTE_NAME) as temporary:
        temporary.write_text(json.dumps(note, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def is_exported(folder: Path) -> bool:
    """Whether the adapter in `folder` is the one that `note_export` noted."""
    try:
        note = json.loads((folder / NOTE_NAME).read_bytes())
        return isinstance(note, dict) and note.get(_HASH) == _sha256(folder / WEIGHTS_NAME)
    except (OSError, ValueError, RecursionError):
        return False


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
