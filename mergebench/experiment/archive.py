"""What a store holds of one backbone as one small file: cells and records, no weights."""

from __future__ import annotations

import io
import lzma
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mergebench.backbones import find_source
from mergebench.errors import InputError
from mergebench.experiment.release_records import RECORD_NAME, check_record
from mergebench.experiment.store import Store, existing_store, parse_cell
from mergebench.files import content_of, read_bounded, replacing

_CELL = re.compile(r"cells/([0-9a-f]{64})\.json")
_RECORD = re.compile(rf"releases/([^/.][^/]*)/{re.escape(RECORD_NAME)}")
_LARGEST = 2**28
"""Bytes that an archive may have; thousands of cells take a few million."""

_LARGEST_PLAIN = 2**31
"""Bytes that its content may have."""


@dataclass(frozen=True, kw_only=True)
class Archived:
    """What an archive holds: cells by key and records by the folder of their release, as written.

    Everything in it is intact: `InputError` naming `file` if not.
    """

    file: Path
    cells: Mapping[str, bytes]
    records: Mapping[str, bytes]

    def __post_init__(self) -> None:
        for key, content in self.cells.items():
            try:
                fits = parse_cell(content).key == key
            except ValueError as error:
                raise _damaged(self.file, f"cell {key[:12]}...: {error}") from error
            if not fits:
                raise _damaged(self.file, f"cell {key[:12]}... is another one")
        for content in self.records.values():
            check_record(self.file, content)


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """What came out of an archive, and how much of it the store lacked.

    `others`: folders of releases that the store has with another update, which stay.
    """

    archived: Archived
    new: int
    others: tuple[str, ...]


def pack(store: Path, backbone: str, file: Path) -> Archived:
    """Write what `store` has of `backbone` into `file`, beside what is in that archive already.

    Equal content gives equal bytes. Raises `InputError` when the store has nothing of the backbone,
    there is no such backbone, something is damaged or the file cannot be written.
    """
    known = existing_store(store)
    found = [cell for cell in known.cells() if cell.inputs.backbone == backbone]
    if not found:
        _ = find_source(backbone)  # an unknown name is refused as one
        raise InputError(f"{store} holds no measurement of {backbone}: nothing to pack")
    weights = {cell.inputs.backbone_sha256 for cell in found}
    records = {
        folder.name: content
        for folder, content in _records(store)
        if check_record(folder, content)["backbone"] in weights
    }
    before = archived(file) if file.exists() and file.stat().st_size else None
    together = Archived(
        file=file,
        cells={
            **(before.cells if before else {}),
            **{cell.key: content_of(known.path(cell.key)) for cell in found},
        },
        records={**(before.records if before else {}), **records},
    )
    with replacing(file) as temporary:
        temporary.write_bytes(_compressed(together))
    return together


def unpack(file: Path, store: Path) -> Unpacked:
    """Put the cells and records of an archive into `store`, where they are not there.

    Raises `InputError` for what is no such archive or cannot be written; of an archive that is
    damaged nothing is written.
    """
    found, known = archived(file), Store(store / "cells")
    new, others = 0, []
    for key, content in found.cells.items():
        new += _written(known.path(key), content)
    for name, content in found.records.items():
        place = store / "releases" / name / RECORD_NAME
        if _written(place, content):
            new += 1
        elif _update_of(place.parent, content_of(place)) != _update_of(file, content):
            others.append(name)
    return Unpacked(archived=found, new=new, others=tuple(others))


def archived(file: Path) -> Archived:
    """Return what is in an archive; `InputError` for anything else, and for a damaged one."""
    cells, records = {}, {}
    for name, content in _members(file):
        if cell := _CELL.fullmatch(name):
            cells[cell[1]] = content
        elif record := _RECORD.fullmatch(name):
            records[record[1]] = content
        else:
            raise _damaged(file, f"{name!r} is neither a cell nor a record")
    return Archived(file=file, cells=cells, records=records)


def _records(store: Path) -> Iterator[tuple[Path, bytes]]:
    for folder in sorted((store / "releases").glob("*/")):
        if (folder / RECORD_NAME).exists():
            yield folder, content_of(folder / RECORD_NAME)


def _written(place: Path, content: bytes) -> bool:
    """Write a file that is not there; False if it is."""
    if place.exists():
        return False
    with replacing(place) as temporary:
        temporary.write_bytes(content)
    return True


def _update_of(place: Path, content: bytes) -> str:
    found: str = check_record(place, content)["update_sha256"]
    return found


def _compressed(content: Archived) -> bytes:
    """Return the bytes of an archive, which say nothing of whose it was and when."""
    members = {
        **{f"cells/{key}.json": one for key, one in content.cells.items()},
        **{f"releases/{name}/{RECORD_NAME}": one for name, one in content.records.items()},
    }
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(members):
            member = tarfile.TarInfo(name)
            member.size = len(members[name])
            archive.addfile(member, io.BytesIO(members[name]))
    return lzma.compress(plain.getvalue(), preset=9)


def _members(file: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every member."""
    try:
        compressed, decompressor = read_bounded(file, _LARGEST), lzma.LZMADecompressor()
        plain = decompressor.decompress(compressed, max_length=_LARGEST_PLAIN)
        if not decompressor.eof:
            raise _damaged(file, "it ends early, or is too large")
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            for member in archive:
                stream = archive.extractfile(member)
                if stream is None:
                    raise _damaged(file, f"{member.name} is no file")
                yield member.name, stream.read()
    except FileNotFoundError as error:
        raise InputError(
            f"{file} is missing: give an archive that `mergebench pack` made"
        ) from error
    except (tarfile.TarError, lzma.LZMAError) as error:
        raise _damaged(file, str(error)) from error


def _damaged(file: Path, reason: str) -> InputError:
    return InputError(f"{file} is no archive of measurements, or damaged ({reason}): get it again")
