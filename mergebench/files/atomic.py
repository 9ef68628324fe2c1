"""Files that are either complete or not there, whatever happens while they are written."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mergebench.errors import InputError

TEMPORARY = ".tmp"
LEFTOVER_AGE_S = 3600.0


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Give a temporary file beside `file` to write to; it takes the place of `file` on success.

    Readers see the old or the new content, also after a crash: the bytes are on disk before the
    name changes. Missing parent folders are made. After an exception `file` is as it was. Raises
    `InputError` naming `file` when it cannot be written.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        yield temporary
        _flush(temporary)
        os.replace(temporary, file)
        _flush(file.parent)
    except OSError as error:
        raise InputError(
            f"cannot write {file}: {error.strerror or error}; free or choose another place"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Make `folder` if it is missing and try to write in it; `InputError` if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=TEMPORARY) as probe:
            probe.write(b"probe")
    except OSError as error:
        raise InputError(
            f"cannot write in {folder}: {error.strerror or error}; choose another directory"
        ) from error


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files that killed writers left in `folder` more than an hour ago."""
    oldest = time.time() - LEFTOVER_AGE_S
    for file in folder.glob(f".*{TEMPORARY}"):
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < oldest:
                file.unlink()


def _flush(path: Path) -> None:
    """Wait until the bytes of a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
