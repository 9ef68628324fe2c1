"""Where a verb writes what it was asked for: checked before anything is computed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mergebench.errors import InputError
from mergebench.files.atomic import temporary_beside

LONGEST_NAME = 200
"""Bytes of a file's name: file systems take 255, and temporary names are longer."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """A place that the option `option` names, and what may be replaced there.

    `inputs`: files and folders that the command reads, or would if they were there: the output is
    none of them, under whatever name, and lies in no folder of them. `is_own`: whether what is
    there was written by this command; anything else is replaced only with `force`, which is None
    where the command has no such option. Files without content are replaced.
    """

    option: str
    inputs: Sequence[str | Path] = ()
    is_own: Callable[[Path], bool]
    force: bool | None = False
    suffix: str = ""

    def check_file(self, file: Path) -> None:
        """Raise `InputError` unless `file` may be written, and has the suffix if there is one."""
        if not file.name.endswith(self.suffix) or self.suffix == file.name != "":
            raise InputError(f"{self.option} {file}: expected a name that ends in {self.suffix}")
        if self._is_occupied(file):
            self._check_replaceable(file)
        self._check_parents(file, file.absolute().parent)

    def check_folder(self, folder: Path, names: Iterable[str]) -> None:
        """Raise `InputError` unless the files called `names` may be written in `folder`.

        What else lies there stays.
        """
        status = self._status(folder)
        if status is not None and not stat.S_ISDIR(status.st_mode):
            raise InputError(f"{self.option} {folder}: is {_kind(status)}, no folder: {_OTHER}")
        occupied = [name for name in names if self._is_occupied(folder / name)]
        if occupied:
            self._check_replaceable(folder)
        self._check_parents(folder, folder.absolute())

    def _is_occupied(self, file: Path) -> bool:
        """Whether a file with content is there; refused if it is an input or no regular file."""
        status = self._status(file)
        place = Path(os.path.realpath(file))
        for read in map(Path, self.inputs):
            source = Path(os.path.realpath(read))
            if place == source or _is_same(status, read) or (status and source in place.parents):
                raise InputError(f"{self.option} {file}: would replace {read}: {_OTHER}")
            if source in place.parents:
                raise InputError(f"{self.option} {file}: lies in {read}, which is read: {_OTHER}")
        if status is not None and not stat.S_ISREG(status.st_mode):
            raise InputError(f"{self.option} {file}: is {_kind(status)}, no file: {_OTHER}")
        return status is not None and status.st_size > 0

    def _check_replaceable(self, path: Path) -> None:
        if not self.force and not self.is_own(path):
            otherwise = "" if self.force is None else ", or replace it with --force"
            raise InputError(
                f"{self.option} {path}: is there already, and not as this command writes it: "
                f"{_OTHER}{otherwise}"
            )

    def _status(self, path: Path) -> os.stat_result | None:
        """Return what is at `path`, links not followed; None if nothing is."""
        if len(os.fsencode(path.name)) > LONGEST_NAME:
            raise InputError(
                f"{self.option} {path.name[:20]}...: the name is longer than {LONGEST_NAME} bytes: "
                f"{_OTHER}"
            )
        try:
            return path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:  # ValueError: a byte 0 in the name
            reason = error.strerror if isinstance(error, OSError) else error
            raise InputError(f"cannot write {path}: {reason}; {_OTHER}") from error

    def _check_parents(self, path: Path, within: Path) -> None:
        """Refuse `path` if nothing can be made in the folder `within`, or the first above it.

        It is tried, as permissions say little of the superuser, `/proc` and disks that are full.
        """
        there = next(one for one in (within, *within.parents) if os.path.lexists(one))
        if not there.is_dir():
            raise InputError(f"cannot write {path}: {there} is no folder; {_OTHER}")
        probe = temporary_beside(there / "probe")
        try:
            probe.mkdir()
            probe.rmdir()
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"cannot write {path}: in {there}: {reason}; {_OTHER}") from error


_OTHER = "choose another name"
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a symbolic link", stat.S_IFREG: "a file"}


def _kind(status: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(status.st_mode), "a device, pipe or socket")


def _is_same(status: os.stat_result | None, read: Path) -> bool:
    """Whether `read` is the file with that status, or a folder with another name for it."""
    inside = read.rglob("*") if os.path.isdir(read) else (read,)
    files = filter(os.path.isfile, inside) if status is not None else ()
    return any(status is not None and os.path.samestat(status, file.stat()) for file in files)
