"""Files of others: only regular ones, and never more of one than was asked for."""

from __future__ import annotations

import stat
from pathlib import Path

from mergebench.errors import InputError


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


def read_bounded(file: Path, largest: int) -> bytes:
    """Return the content of a regular file of at most `largest` bytes.

    Raises `InputError` naming the file when it is larger, cannot be read or is no regular file;
    `FileNotFoundError` when it is missing.
    """
    check_regular(file)
    try:
        with file.open("rb") as stream:
            content = stream.read(largest + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(file, error) from error
    if len(content) > largest:
        raise InputError(f"{file} is larger than {largest} bytes: is it the file that you mean?")
    return content


def _unreadable(file: Path, error: OSError | ValueError) -> InputError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return InputError(f"{str(file)!r} cannot be read: {reason}; make it readable")
