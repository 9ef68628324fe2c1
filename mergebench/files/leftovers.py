"""What killed writers leave: found by its name and its age, and deleted."""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

TEMPORARY = ".tmp"
LEFTOVER_AGE_S = 3600.0

_OURS = re.compile(rf"\..+\.\d+-[0-9a-f]{{8}}{re.escape(TEMPORARY)}")


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files and folders in `folder` that nobody wrote to for an hour.

    Only those whose name `temporary_beside` gave; younger ones may have their writer at work.
    Nothing where there is no such folder.
    """
    oldest = time.time() - LEFTOVER_AGE_S
    for name in _ours(folder):
        path = folder / name
        with suppress(OSError):  # another process deletes it too, or it is another user's
            if _last_written(path) < oldest:
                _delete(path)


def _ours(folder: Path) -> list[str]:
    """Return the names of temporary files in `folder`; of a million others in half a second."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [name for name in names if name[0] == "." and _OURS.fullmatch(name)]


@cache
def swept(folder: Path) -> None:
    """Delete the leftovers in a folder that this process begins to write in."""
    remove_leftovers(folder)


def _last_written(path: Path) -> float:
    within = path.rglob("*") if path.is_dir() and not path.is_symlink() else ()
    return max(float(one.lstat().st_mtime) for one in (path, *within))


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
