"""Schema of `manifest.json`, which names, counts and hashes everything in a packed suite."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mergebench.errors import InputError
from mergebench.suites.split_names import SplitName

#: Where the embedded suite lies.
MINI8_FOLDER = Path(__file__).parent


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Entry):
    """One file beside the manifest: its SHA-256 and its size in bytes."""

    sha256: str
    bytes: int


class SourceEntry(_Entry):
    """A registry package that pixels come from, and the licence that covers them."""

    registry: str
    package: str
    version: str
    licence: str
    what: str


class SplitEntry(_Entry):
    """One sprite sheet: tiles in it, how it is encoded, and the hash of its decoded images."""

    file: str
    count: int
    lossless: bool
    pixels_sha256: str


class TaskEntry(_Entry):
    """One task: names, prompts, provenance and splits.

    `captioned` counts its images in the pretraining corpus, none of which is in a split.
    """

    name: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    sources: tuple[SourceEntry, ...]
    note: str
    rendered: bool
    captioned: int
    splits: dict[SplitName, SplitEntry]


class Manifest(_Entry):
    """The whole suite; `sha256` is `Suite.sha256` of the suite with all its tasks."""

    name: str
    resolution: int
    sha256: str
    tasks: tuple[TaskEntry, ...]
    files: dict[str, FileEntry]


def read_manifest(folder: Path = MINI8_FOLDER) -> Manifest:
    """Parse `manifest.json` in `folder`; raises `InputError` when it is missing or malformed."""
    path = folder / "manifest.json"
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found; reinstall the package or build the suite") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {place}: {first['msg']}; reinstall the package") from error
