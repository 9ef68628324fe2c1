"""One measurement: everything it depends on, what came out, and how it was run."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from mergebench.contracts import Attack, Plugin
from mergebench.device import device_name, uses_tf32
from mergebench.measure.cell_warnings import CellWarning
from mergebench.measure.counts import Counts
from mergebench.measure.points import FULL, Point

CELL_FORMAT = 3
"""Version of the record; part of every key, so that a new format starts anew."""

CODE = ("mergebench", "attacks", "protections")
"""The folders of a checkout from which numbers come."""

PACKAGES = ("mergebench", "torch", "numpy", "open_clip_torch", "timm", "peft", "safetensors")


@dataclass(frozen=True, kw_only=True)
class Method:
    """A plug-in with its hyper-parameters, as a cell names it."""

    name: str
    version: int
    options: Mapping[str, Any]

    @classmethod
    def of(cls, plugin: Plugin) -> Self:
        """Return the description of a plug-in, and of those that it is built on."""
        name = plugin.label if isinstance(plugin, Attack) else plugin.name
        options = {
            key: cls.of(value) if isinstance(value, Plugin) else value
            for key, value in {**stored_fields(plugin), **plugin.named()}.items()
        }
        return cls(name=name, version=plugin.version, options=options)


@dataclass(frozen=True, kw_only=True)
class CellInputs:
    """All that determines the result of one measurement; its hash is the cell's `key`.

    `tasks`: the evaluated tasks, in order. `updates`: SHA-256 of the released updates, in order.
    `protocol`: its name and fields. Fields that do not apply are None or empty: zero-shot has no
    protection, attack or updates, an unprotected merge has no target. Options and protocols hold
    JSON values (numbers, strings, booleans, None, lists, mappings).
    """

    backbone: str
    backbone_sha256: str
    suite: str
    suite_sha256: str
    tasks: tuple[str, ...]
    seed: int
    precision: str
    protection: Method | None = None
    target: str | None = None
    attack: Method | None = None
    space: Method | None = None
    protocol: Mapping[str, Any] = field(default_factory=dict)
    updates: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """SHA-256 of the canonical JSON of the inputs; equal inputs, equal keys."""
        return sha256_of({"format": CELL_FORMAT, "inputs": self})


@dataclass(frozen=True, kw_only=True)
class CellResults:
    """Correctly classified test inputs at the chosen point, and all points of the search.

    `correct`: by task; `sizes`: inputs by task, by split or search stage. `options` and `alpha`:
    the chosen point, where there was a choice. `points` allow any selection rule to be replayed.
    `hits`: which test inputs are correct, by task, for paired comparisons (`packed`).
    `most_predicted`: test inputs that were given the task's most frequent prediction. `norm_ratio`:
    `‖alpha D‖ / sqrt(Σ ‖τ_i‖²)` of a merge. `notes`: what the attack noted of its bases, the
    smallest value over sites. `warnings`: what makes the numbers doubtful.
    """

    correct: Counts
    sizes: Mapping[str, Counts]
    hits: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    alpha: float | None = None
    points: tuple[Point, ...] = ()
    most_predicted: Counts = field(default_factory=dict)
    norm_ratio: float | None = None
    notes: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[CellWarning, ...] = ()

    @property
    def leaves_base(self) -> bool:
        """Whether the merge changes nothing, as one whose every entry is below a threshold."""
        return self.norm_ratio == 0

    @property
    def chosen(self) -> Point | None:
        """The point of the search that was chosen; None where there was no search."""
        for point in self.points:
            if (point.alpha, point.options, point.stage) == (self.alpha, self.options, FULL):
                return point
        return None


@dataclass(frozen=True, kw_only=True)
class CellRun:
    """How a measurement was run, or an update trained.

    `seconds` of wall-clock time; `finished` in UTC (ISO 8601); `device`: its kind, as torch calls
    it; `device_name`: its model; `tf32`: whether float32 is rounded to TensorFloat-32, of a GPU;
    `revision`: the git commit of the code, where it runs from a checkout.
    """

    seconds: float
    finished: str
    device: str
    versions: Mapping[str, str]
    revision: str | None = None
    device_name: str = ""
    tf32: bool | None = None

    @classmethod
    def now(cls, seconds: float, device: torch.device) -> Self:
        """Return the record of a run that ends now in this environment."""
        return cls(
            seconds=round(seconds, 3),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            device=device.type,
            device_name=device_name(device),
            tf32=uses_tf32(device),
            versions=package_versions(),
            revision=code_revision(),
        )

    @property
    def place(self) -> str:
        """Where it was measured, as a caption says it."""
        if not self.device_name:
            return self.device
        tf32 = {True: ", TF32 on", False: ", TF32 off", None: ""}[self.tf32]
        return f"{self.device} ({self.device_name}{tf32})"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measurement. Results depend on the inputs alone; the run is for the record."""

    inputs: CellInputs
    results: CellResults
    run: CellRun

    @property
    def key(self) -> str:
        """The content address: hash of the inputs."""
        return self.inputs.key


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers may depend on."""
    return {**_installed()}


@cache  # reading the metadata of packages takes longer than measuring a few inputs
def _installed() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


@cache
def code_revision() -> str | None:
    """Return the commit of the checkout that this package runs from, `-dirty` if its code differs.

    Only the packages count: tables that a run writes into the checkout change no number. None where
    there is no git, or the package is installed elsewhere.
    """
    folder = Path(__file__).resolve().parents[2]
    try:
        top = _git(folder, "rev-parse", "--show-toplevel")
        if Path(top) != folder:
            return None
        changed = _git(folder, "status", "--porcelain", "--", *CODE)
        commit = _git(folder, "rev-parse", "--short=12", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def packed(hits: Sequence[bool]) -> str:
    """Return bits as base64 of bytes, the first bit being the highest of the first byte."""
    return base64.b64encode(np.packbits(np.asarray(hits, dtype=bool)).tobytes()).decode()


def unpacked(text: str, size: int) -> NDArray[np.bool_]:
    """Return the `size` bits that `packed` wrote; ValueError if `text` holds another number."""
    bits = np.unpackbits(np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8))
    if not size <= len(bits) < size + 8:
        raise ValueError(f"{len(bits)} bits do not pack {size} values")
    return bits[:size].astype(bool)


def sha256_of(value: object) -> str:
    """Return the hash of the canonical JSON of `value`: sorted keys, no spaces, as `plain`.

    Raises ValueError for what is nested too deeply, and for what is no number.
    """
    try:
        text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return hashlib.sha256(text.encode()).hexdigest()


def plain(value: object) -> Any:
    """Return `value` in JSON's types; dataclasses become mappings, and 1.0 becomes 1.

    Equal numbers thus look alike, as in RFC 8785. Raises `TypeError` for what JSON cannot hold.
    """
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, Mapping):
        return {_text(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if is_dataclass(value):
        return plain(stored_fields(value))
    raise TypeError(f"{value!r} cannot be part of a cell: only JSON values can")


def stored_fields(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass under the names that records and keys have for them.

    `stored_as` of its class has those of fields that were renamed since, and `left_out_at` the
    values of fields that came later at which all is as before, so that what was measured before is
    found again.
    """
    names: Mapping[str, str] = getattr(value, "stored_as", {})
    left_out: Mapping[str, Any] = getattr(value, "left_out_at", {})
    found = {item.name: getattr(value, item.name) for item in fields(value)}
    return {
        names.get(name, name): one
        for name, one in found.items()
        if name not in left_out or one != left_out[name]
    }


def _text(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{key!r} cannot be a key in a cell: only text can")
    return key
