"""Filling a folder with decoded images: one process at a time, on a disk with enough room."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mergebench.counting import Counting
from mergebench.errors import InputError


@contextmanager
def one_at_a_time(folder: Path, counting: Counting) -> Iterator[None]:
    """Make `folder` and let one process at a time into the context.

    Raises `InputError` for a folder that cannot be written.
    """
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            with counting(f"waiting for another process that fills {folder}", 1) as advance:
                lock.acquire()
                advance(1)
    except OSError as error:
        raise InputError(
            f"cannot write in {folder}: {error.strerror or error}; choose another --cache"
        ) from error
    try:
        yield
    finally:
        lock.release()


def check_room(folder: Path, needed: int) -> None:
    """Raise `InputError` unless so many bytes are free where `folder` is."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"{folder}: needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
            "free some or choose another --cache"
        )
