"""Files and folders that are complete or not there, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from mergebench.errors import InputError
from mergebench.files.leftovers import TEMPORARY, remove_leftovers, swept

_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Give a temporary file to write to; it takes the place of `file` on success.

    Readers see the old or the new content, also after a crash: the bytes are on disk before the
    name changes. Missing parent folders are made, and the new file has the mode that the umask
    allows. After an exception `file` is as it was. Raises `InputError` naming `file` when it cannot
    be written.
    """
    with _scratch_beside(file) as scratch:
        temporary = scratch / file.name
        temporary.touch()
        allowed = temporary.stat().st_mode
        yield temporary
        temporary.chmod(allowed)  # some writers put a private file of their own in its place
        _flush(temporary)
        os.replace(temporary, file)
        _flush(file.parent)


@contextmanager
def replacing_folder(folder: Path, *, keep: Callable[[Path], bool]) -> Iterator[Path]:
    """Give a temporary folder to fill; it takes the name of `folder` on success.

    What has that name by then, as another process may have been faster, stays if `keep` says so of
    it, and is deleted else. Crashes, modes and errors: as of `replacing`.
    """
    with _scratch_beside(folder) as scratch:
        made = scratch / folder.name
        made.mkdir()
        yield made
        for path in (*made.rglob("*"), made):
            _flush(path)
        while not _renamed(made, folder):
            if keep(folder):
                return
            os.rename(folder, scratch / f"replaced-{secrets.token_hex(4)}")
        _flush(folder.parent)


def write_missing(files: Mapping[Path, bytes]) -> int:
    """Write those of `files` that are not there; return how many.

    As with `replacing`, but the disk is waited for once instead of once per file.
    """
    scratches = {file: temporary_beside(file) for file in files if not file.exists()}
    try:
        for file, scratch in scratches.items():
            with _writing(file):
                scratch.write_bytes(files[file])
        os.sync()
        for file, scratch in scratches.items():
            with _writing(file):
                os.replace(scratch, file)
        for folder in {file.parent for file in scratches}:
            _flush(folder)
    finally:
        for scratch in scratches.values():
            with suppress(OSError):  # most have their names by now
                scratch.unlink()
    return len(scratches)


def check_writable(folder: Path) -> None:
    """Make `folder` if it is missing, delete what killed writers left, and try to write in it.

    Raises `InputError` if that fails.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        probe = temporary_beside(folder / "probe")
        try:
            probe.write_bytes(b"probe")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write in {folder}: {error.strerror or error}; choose another directory"
        ) from error


def temporary_beside(path: Path) -> Path:
    """Return a new name in the folder of `path` that `remove_leftovers` knows as temporary."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY}")


@contextmanager
def _scratch_beside(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path` that is gone afterwards, whatever was left in it.

    A folder, since some writers make temporary files of their own beside the file they are given.
    """
    scratch = temporary_beside(path)
    try:
        with _writing(path):
            scratch.mkdir()
            yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Make the folder of `path` if it is missing, swept; name `path` if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        swept(path.parent.absolute())
        yield
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; free or choose another place"
        ) from error


def _renamed(made: Path, folder: Path) -> bool:
    """Rename `made` to `folder`; False if something is there already."""
    try:
        os.rename(made, folder)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def _flush(path: Path) -> None:
    """Wait until the bytes of a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
