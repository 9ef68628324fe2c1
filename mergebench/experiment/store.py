"""Cells on disk: one file each, named by the hash of the cell's inputs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mergebench.errors import InputError
from mergebench.experiment.formats import OtherFormatError, check_format
from mergebench.files import check_writable, content_of, replacing
from mergebench.measure import CELL_FORMAT, Cell, plain, sha256_of

_CELL = TypeAdapter(Cell)
_NAME = re.compile(r"[0-9a-f]{64}\.json")


class Store:
    """A folder of cells that any number of processes may read and write.

    A cell is there completely or not at all: a process that is killed leaves at most a temporary
    file, which nobody reads. Writing a cell again replaces it. With `read_only` the folder is left
    as it is; else `InputError` is raised when it cannot be made or written.
    """

    def __init__(self, root: str | Path, *, read_only: bool = False) -> None:
        self.root = Path(root)
        if not read_only:
            check_writable(self.root)

    def path(self, key: str) -> Path:
        """Return the file of the cell with that key."""
        return self.root / f"{key}.json"

    def get(self, key: str) -> Cell | None:
        """Return the cell, or None if it has not been measured.

        Raises `InputError` naming the file when it was damaged, edited or renamed, or is of another
        version of mergebench.
        """
        file = self.path(key)
        try:
            cell = parse_cell(content_of(file))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{file} cannot be read: {error.strerror}") from error
        except OtherFormatError as error:
            raise InputError(
                f"{file} is of another version of mergebench ({error}): read it with that one, or "
                "delete it to measure it again"
            ) from error
        except ValueError as error:
            raise InputError(
                f"{file} is damaged ({error}): delete it to measure it again"
            ) from error
        if cell.key != key:
            raise InputError(f"{file} holds another cell, {cell.key[:12]}...: rename or delete it")
        return cell

    def put(self, cell: Cell) -> None:
        """Write a cell; when this returns it is on disk. `InputError` if it cannot be written."""
        record = {"format": CELL_FORMAT, **plain(cell), "sha256": sha256_of(cell)}
        text = json.dumps(record, sort_keys=True, indent=1, allow_nan=False)
        with replacing(self.path(cell.key)) as temporary:
            temporary.write_text(text + "\n")

    def keys(self) -> tuple[str, ...]:
        """Return the keys of all cells, sorted; `InputError` if the folder cannot be read."""
        try:
            names = os.listdir(self.root)
        except OSError as error:
            raise InputError(
                f"{self.root} cannot be read: {error.strerror}; make it readable"
            ) from error
        return tuple(sorted(name.removesuffix(".json") for name in names if _NAME.fullmatch(name)))

    def cells(self) -> Iterator[Cell]:
        """Yield all cells in the order of their keys; raises as `get`."""
        for key in self.keys():
            cell = self.get(key)
            if cell is not None:
                yield cell


def existing_store(folder: Path, option: str = "--store") -> Store:
    """Return the cells of a store that measurements made, to be read; none is made here.

    The folder need not be writable. Raises `InputError`, which names `option`, for a folder without
    cells.
    """
    if not (folder / "cells").is_dir():
        raise InputError(f"{option} {folder}: has no folder cells; give one that measurements made")
    return Store(folder / "cells", read_only=True)


def parse_cell(content: bytes) -> Cell:
    """Return the cell of a file's content; ValueError with a short reason if it is not intact.

    That is an `OtherFormatError` for a cell of another version of mergebench.
    """
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("not valid JSON") from None
    if not isinstance(record, dict):
        raise ValueError(f"not a cell of format {CELL_FORMAT}")
    check_format(record.pop("format", None), CELL_FORMAT, "cell")
    if record.pop("sha256", None) != sha256_of(record):
        raise ValueError("its content does not match its checksum")
    try:
        return _CELL.validate_python(record)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {first['msg']}") from None
