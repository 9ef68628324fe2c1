"""Who is at which piece of work, among processes of any number of machines that share a folder."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mergebench.errors import InputError
from mergebench.files.atomic import temporary_beside
from mergebench.files.leftovers import remove_leftovers
from mergebench.files.process import Process

HEARTBEAT_S = 20.0
EXPIRY_S = 300.0
"""A claim is void that was not touched for so long, by the clock of the folder's file system."""

_LIMIT_BYTES = 4096


class ClaimedError(InputError):
    """Another process is at the piece of work `name`; `holder` says which."""

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(f"{name} is being made by {holder}: run again when that has ended")
        self.name = name
        self.holder = holder


class Claims:
    """Claims of pieces of work: a file each in `folder`, made when there is something to claim.

    A claim is void when its process is gone, which is seen at once on the same machine, or when its
    file was not touched for `EXPIRY_S`, or has a time that lies so far ahead. Then whoever comes
    first has the work. In doubt, such as after a process was suspended, two may be at the same
    work; what they write must be whole and equal anyway.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def claimed(self, name: str) -> Iterator[None]:
        """Claim a piece of work, named as a file may be, until the context is left.

        Raises `ClaimedError` if another process has it, and `InputError` naming the folder if it
        cannot be written, or what is there instead of a claim.
        """
        file = self._folder / name
        descriptor = self._take(file)
        try:
            with _touched(descriptor):
                yield
        finally:
            _let_go(file, descriptor)

    def is_held(self, name: str) -> bool:
        """Whether another process is at the piece of work; `InputError` for a folder instead."""
        claim = _read(self._folder / name)
        return claim is not None and not self._is_void(claim)

    def remove_void(self) -> None:
        """Delete the claims that killed processes left; what cannot be deleted stays."""
        if self._folder.is_dir():
            remove_leftovers(self._folder)
            for file in [*self._folder.glob("[!.]*")]:
                # Anything else is no claim, and is nobody's concern before that name is claimed.
                if file.is_file() and not self.is_held(file.name):
                    with suppress(InputError), self.claimed(file.name):
                        pass  # claimed and let go

    def _take(self, file: Path) -> int:
        """Make the file of a claim and return its descriptor."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            while (descriptor := _made(file)) is None:
                claim = _read(file)
                if claim is None and file.is_symlink():  # to nothing
                    raise InputError(f"{file} is a symbolic link, no claim: delete it")
                if claim is None:
                    continue  # let go since
                if not self._is_void(claim):
                    raise ClaimedError(file.name, claim.holder)
                self._remove(file, claim)
        except OSError as error:
            raise InputError(
                f"cannot write in {self._folder}: {error.strerror or error}; "
                "choose another directory"
            ) from error
        return descriptor

    def _remove(self, file: Path, void: _Claim) -> None:
        """Delete a void claim, unless another process did and has claimed the work anew.

        That would be missed between a look and the deletion, so this is work to be claimed as well.
        """
        with self.claimed(f"{file.name}.void"):
            claim = _read(file)
            if claim is not None and claim.identity == void.identity:
                file.unlink(missing_ok=True)

    def _is_void(self, claim: _Claim) -> bool:
        if claim.process is not None and claim.process.has_ended():
            return True
        # A time ahead is from before the clock was set back, as after a power cut: whoever lives
        # touches the file anew. Both times are of the same file system.
        return abs(self._now() - claim.touched) > EXPIRY_S

    def _now(self) -> float:
        """Return the time of the file system, which those of other machines may differ from."""
        probe = temporary_beside(self._folder / "now")
        try:
            probe.touch()
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """What a claim's file says.

    `process`: None if it was killed before it was written, or the file cannot be read.
    """

    process: Process | None
    touched: float
    identity: tuple[int, int]

    @property
    def holder(self) -> str:
        return "another process" if self.process is None else str(self.process)


def _made(file: Path) -> int | None:
    """Make the file, saying who did; None if it is there already."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return None
    try:
        os.write(descriptor, json.dumps(Process.this().record()).encode())
        os.fsync(descriptor)  # for other machines, which see the bytes of an open file late
    except OSError:
        _let_go(file, descriptor)
        raise
    return descriptor


def _read(file: Path) -> _Claim | None:
    """Return a claim, None if there is none; `InputError` naming a folder in its place."""
    if file.is_dir():
        raise InputError(f"{file} is a folder, no claim: delete it")
    try:
        status, content = _content(file)
    except FileNotFoundError:
        return None
    return _Claim(
        process=Process.of_record(content),
        touched=status.st_mtime,
        identity=(status.st_ino, status.st_mtime_ns),
    )


def _content(file: Path) -> tuple[os.stat_result, bytes]:
    """Return what a claim is and says, which is nothing where only others may read it."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    except PermissionError:
        return file.stat(), b""
    with os.fdopen(descriptor, "rb") as stream:
        return os.fstat(descriptor), stream.read(_LIMIT_BYTES)


@contextmanager
def _touched(descriptor: int) -> Iterator[None]:
    """Show every `HEARTBEAT_S` that the holder of a claim lives."""
    left = threading.Event()

    def touch() -> None:
        while not left.wait(HEARTBEAT_S):
            with suppress(OSError):  # the claim was void meanwhile and is gone
                os.utime(descriptor)

    thread = threading.Thread(target=touch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()


def _let_go(file: Path, descriptor: int) -> None:
    """Delete the claim, unless it was void meanwhile and another process has claimed the work."""
    with suppress(OSError):
        if os.path.samestat(os.fstat(descriptor), file.stat()):
            file.unlink()
    os.close(descriptor)
