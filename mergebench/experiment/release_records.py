"""Trained updates on disk with the record of their training, both under checksums."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mergebench.backbones import Backbone
from mergebench.errors import InputError
from mergebench.experiment.formats import NoChecksumError, check_format
from mergebench.experiment.releases import load_release, save_release
from mergebench.files import content_of, replacing, replacing_folder
from mergebench.measure import CellRun, plain, sha256_of
from mergebench.terminal import say
from mergebench.updates import Update

RECORD_NAME = "record.json"
RECORD_FORMAT = 2
"""Version of the record; the first one, which had no number, had no checksums."""

Record = dict[str, Any]

_ABOUT_THE_FOLDER = (
    *("backbone", "sites", "protection", "plain_sha256"),
    *("format", "inputs_sha256", "update_sha256", "run"),
)


def write_trained(
    update: Update,
    folder: Path,
    backbone: Backbone,
    inputs: Mapping[str, Any],
    training: Mapping[str, Any],
    run: CellRun,
) -> None:
    """Write an update with what was recorded of its `training` from `inputs`, all of it or nothing.

    A folder of that name stays if it is intact: then another process has trained the same update
    meanwhile. Raises `InputError` when the folder cannot be written.
    """
    with replacing_folder(folder, keep=lambda there: _intact(there, inputs, backbone)) as made:
        save_release(update, made, backbone)
        written = load_release(made, backbone).sha256
        _write_record(made, {**inputs, **training, "run": run}, inputs, written)


def find_record(folder: Path, inputs: Mapping[str, Any], backbone: Backbone) -> Record | None:
    """Return the record of the update in `folder`, trained from `inputs`; None if it is not there.

    One that was trained before there were checksums is given them, as it is found, which a line on
    stderr says. Raises `InputError` naming the folder when its record was damaged, edited or is of
    another training.
    """
    try:
        record = _read_record(folder, inputs)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(folder, error) from error
    except ValueError as error:
        raise _damaged(folder, f"{RECORD_NAME}: {error}") from error
    return record if "format" in record else _adopt(folder, record, inputs, backbone)


def training_of(record: Record) -> Record:
    """Return what a record says of the training, without what the update was trained from."""
    return {name: value for name, value in record.items() if name not in _ABOUT_THE_FOLDER}


def place_of(record: Record) -> str | None:
    """Return where an update was trained, as captions say it; None of records that do not say."""
    return CellRun(**record["run"]).place if "run" in record else None


def load_trained(folder: Path, record: Record, backbone: Backbone) -> Update:
    """Load the update of a record; `InputError` naming `folder` when it is not the one trained."""
    update = _load(folder, backbone)
    if update.sha256 != record["update_sha256"]:
        raise _damaged(folder, "its update does not match its checksum")
    return update


def restore_trained(update: Update, folder: Path, record: Record, backbone: Backbone) -> None:
    """Write an update, trained again, beside its record, which stays as it was.

    Raises `InputError` when it is not the update of the record, as where another kind of processor
    trained it.
    """
    with replacing_folder(folder, keep=has_update) as made:
        save_release(update, made, backbone)
        found = load_release(made, backbone).sha256
        if found != record["update_sha256"]:
            raise InputError(
                f"{folder} has the record of update {record['update_sha256'][:12]}..., but this "
                f"machine trains {found[:12]}..., as another kind of processor does: what was "
                "measured of the former can be read here, not added to; measure into another store"
            )
        (made / RECORD_NAME).write_bytes(content_of(folder / RECORD_NAME))


def has_update(folder: Path) -> bool:
    """Whether the folder holds more than the record of its training, which alone is unpacked.

    Hidden files, as killed writers and file browsers leave them, are no part of an update.
    """
    return any(file.name != RECORD_NAME and file.name[0] != "." for file in folder.iterdir())


def _intact(folder: Path, inputs: Mapping[str, Any], backbone: Backbone) -> bool:
    try:
        record = find_record(folder, inputs, backbone)
        if record is not None:
            load_trained(folder, record, backbone)
    except InputError:
        return False
    return record is not None


def _adopt(folder: Path, record: Record, inputs: Mapping[str, Any], backbone: Backbone) -> Record:
    found = _load(folder, backbone).sha256
    say(
        f"{folder} was trained before updates had checksums: taken as it is, "
        f"sha256 {found[:12]}... is noted; delete it if you would rather train it again"
    )
    return _write_record(folder, record, inputs, found)


def _load(folder: Path, backbone: Backbone) -> Update:
    try:
        return load_release(folder, backbone)
    except InputError as error:
        raise _damaged(folder, str(error)) from error


def _write_record(
    folder: Path, content: Mapping[str, Any], inputs: Mapping[str, Any], update_sha256: str
) -> Record:
    checksums = {"inputs_sha256": sha256_of(inputs), "update_sha256": update_sha256}
    record: Record = plain({**content, "format": RECORD_FORMAT, **checksums})
    with replacing(folder / RECORD_NAME) as temporary:
        signed = {**record, "sha256": sha256_of(record)}
        temporary.write_text(json.dumps(signed, indent=1, sort_keys=True) + "\n")
    return record


def record_content(folder: Path) -> bytes:
    """Return the bytes of the record in `folder`; `InputError` naming it if it cannot be read."""
    try:
        return content_of(folder / RECORD_NAME)
    except OSError as error:
        raise _unreadable(folder, error) from error
    except ValueError as error:
        raise _damaged(folder, f"{RECORD_NAME}: {error}") from error


def check_record(folder: Path, content: bytes) -> Record:
    """Return the record that `folder` has; `InputError` naming it if not intact, or too old."""
    try:
        return parse_record(content)
    except NoChecksumError as error:
        raise InputError(
            f"{folder} has a record of older code, without a checksum: run a table that uses this "
            "update (as `mergebench table1`), which gives it one"
        ) from error
    except ValueError as error:
        raise _damaged(folder, f"{RECORD_NAME}: {error}") from error


def parse_record(content: bytes) -> Record:
    """Return the record of a file's content; ValueError with a short reason if it is not intact.

    That is an `OtherFormatError` for one of another version of mergebench, and a `NoChecksumError`
    for one from before there were checksums.
    """
    record = _parsed(content)
    if _is_unsigned(record) and "protection" in record:  # else it is no record of ours
        raise NoChecksumError("it has no checksum")
    return _verified(record)


def _read_record(folder: Path, inputs: Mapping[str, Any]) -> Record:
    """Return the record without its checksum; ValueError with a short reason if not intact."""
    record = _parsed(content_of(folder / RECORD_NAME))
    if _is_unsigned(record):
        stated = {name: plain(inputs[name]) for name in ("backbone", "sites", "protection")}
        if any(record.get(name) != value for name, value in stated.items()):
            raise ValueError("not the record of this training")
        sha256_of(record)  # it is written again, so it must not be nested too deeply
        return record
    if _verified(record)["inputs_sha256"] != sha256_of(inputs):
        raise ValueError("it is the record of another training")
    return record


def _parsed(content: bytes) -> Record:
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("not valid JSON") from None
    if not isinstance(record, dict):
        raise ValueError("not the record of this training")
    return record


def _is_unsigned(record: Record) -> bool:
    """Whether it is as records were before there were checksums."""
    return "format" not in record and "sha256" not in record


def _verified(record: Record) -> Record:
    """Return the record, from which its checksum is taken."""
    check_format(record.get("format"), RECORD_FORMAT, "record")
    if record.pop("sha256", None) != sha256_of(record):
        raise ValueError("its content does not match its checksum")
    return record


def _unreadable(folder: Path, error: OSError) -> InputError:
    return InputError(f"{folder / RECORD_NAME} cannot be read: {error.strerror}")


def _damaged(folder: Path, reason: str) -> InputError:
    return InputError(f"{folder} is damaged ({reason}): delete it to train the update again")
