"""Files of others: only regular ones, and never more of one than was asked for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mergebench.errors import InputError

LIMIT_BYTES = 64 * 2**20
"""More than any cell or record has."""


def check_regular(file: Path) -> None:
    """Raise `InputError` for a folder, pipe or device, which may never end, instead of a file.

    A missing file is a `FileNotFoundError`, for which every caller has its own advice.
    """
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
        raise _unreadable(file, error) from error
    if not stat.S_ISREG(mode):
        raise InputError(f"{file} is a folder, pipe or device: give a regular file")


def read_bounded(file: Path, largest: int = LIMIT_BYTES) -> bytes:
    """Return the content of a regular file of at most `largest` bytes.

    Raises `InputError` naming the file when it is larger, cannot be read or is no regular file;
    `FileNotFoundError` when it is missing.
    """
    try:
        return content_of(file, largest)
    except FileNotFoundError:
        raise
    except ValueError as error:
        raise InputError(f"{file} is {error}: give another file") from error
    except OSError as error:
        raise _unreadable(file, error) from error


def content_of(file: Path, limit: int = LIMIT_BYTES) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes.

    Never waits, as reading a pipe would. Raises ValueError with a short reason for anything else
    than such a file, and OSError when there is none or it cannot be read.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    except ValueError as error:  # a name that no file has, such as one with a null byte
        raise OSError(str(error)) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("a folder, pipe or device")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            content = stream.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise ValueError(f"larger than {limit} bytes")
    return content


def _unreadable(file: Path, error: OSError | ValueError) -> InputError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return InputError(f"{str(file)!r} cannot be read: {reason}; make it readable")
