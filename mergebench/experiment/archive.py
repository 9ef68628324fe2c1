"""What a store holds of one backbone as one small file: cells and records, no weights."""

from __future__ import annotations

import io
import lzma
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mergebench.backbones import find_source
from mergebench.errors import InputError
from mergebench.experiment.formats import OtherFormatError
from mergebench.experiment.release_records import (
    RECORD_NAME,
    check_record,
    parse_record,
    record_content,
)
from mergebench.experiment.store import Store, existing_store, parse_cell
from mergebench.files import content_of, read_bounded, replacing, write_missing
from mergebench.measure import CellResults
from mergebench.plurals import how_many

_CELL = re.compile(r"cells/([0-9a-f]{64})\.json")
_RECORD = re.compile(rf"releases/([^/.][^/]*)/{re.escape(RECORD_NAME)}")
_LARGEST = 2**28
"""Bytes that an archive may have; thousands of cells take a few million."""

_LARGEST_PLAIN = 2**31
"""Bytes that its content may have."""


@dataclass(frozen=True, kw_only=True)
class Archived:
    """What an archive holds: cells by key and records by the folder of their release, as written.

    Everything in it is intact: `InputError` naming `file` if not, or if it is of another version.
    """

    file: Path
    cells: Mapping[str, bytes]
    records: Mapping[str, bytes]

    def __post_init__(self) -> None:
        for key, content in self.cells.items():
            with _reading(self.file, f"cell {key[:12]}..."):
                fits = parse_cell(content).key == key
            if not fits:
                raise _damaged(self.file, f"cell {key[:12]}... is another one")
        for name, content in self.records.items():
            with _reading(self.file, f"record of {name}"):
                parse_record(content)


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """What came out of an archive, and how much of it the store lacked.

    `others`: folders of releases that the store has with another update, and `unlike`: cells that
    it has with other results; both stay.
    """

    archived: Archived
    new: int
    others: tuple[str, ...]
    unlike: tuple[str, ...]


def pack(store: Path, backbone: str, file: Path) -> Archived:
    """Write what `store` has of `backbone` into `file`, beside what is in that archive already.

    What is in it stays as it is. Equal content gives equal bytes. Raises `InputError` when the
    store has nothing of the backbone, or something else than the archive of the same inputs, as
    another kind of processor makes it; when the archive is of another backbone, there is no such
    backbone, something is damaged or the file cannot be written.
    """
    known = existing_store(store)
    found = [cell for cell in known.cells() if cell.inputs.backbone == backbone]
    if not found:
        _ = find_source(backbone)  # an unknown name is refused as one
        raise InputError(f"{store} holds no measurement of {backbone}: nothing to pack")
    weights = {cell.inputs.backbone_sha256 for cell in found}
    records = {
        name: content
        for name, content in _records(store).items()
        if check_record(store / "releases" / name, content)["backbone"] in weights
    }
    cells = {cell.key: content_of(known.path(cell.key)) for cell in found}
    if file.exists() and file.stat().st_size:
        before = archived(file)
        _check_backbone(before, backbone)
        _check_alike(before, store, {cell.key: cell.results for cell in found}, records)
        cells, records = {**cells, **before.cells}, {**records, **before.records}
    together = Archived(file=file, cells=cells, records=records)
    with replacing(file) as temporary:
        temporary.write_bytes(_compressed(together))
    return together


def unpack(file: Path, store: Path) -> Unpacked:
    """Put the cells and records of an archive into `store`, where they are not there.

    Raises `InputError` for what is no such archive or cannot be written. Nothing is written of an
    archive that is damaged, nor into a store in which a record is, or a cell that is in both.
    """
    found, known = archived(file), Store(store / "cells")
    there = {key: cell.results for key in found.cells if (cell := known.get(key)) is not None}
    others = _other_updates(store, _records(store), found)
    unlike = _other_results(there, found)
    new = write_missing({store / name: one for name, one in _files(found).items()})
    return Unpacked(archived=found, new=new, others=others, unlike=unlike)


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


def _check_backbone(before: Archived, backbone: str) -> None:
    """Raise `InputError` for an archive of another backbone than the one to be packed."""
    packed = {parse_cell(content).inputs.backbone for content in before.cells.values()}
    if packed - {backbone}:
        raise InputError(
            f"{before.file} holds measurements of {', '.join(sorted(packed))}, and an archive is "
            f"of one backbone: pack {backbone} into another file"
        )


def _check_alike(
    before: Archived, store: Path, cells: Mapping[str, CellResults], records: Mapping[str, bytes]
) -> None:
    """Raise `InputError` for what a store has otherwise than the archive it is to be added to.

    Both have it under the same name, so that one of the two could not be found again.
    """
    folders = _other_updates(store, records, before)
    keys = _other_results(cells, before)
    if folders or keys:
        names = folders or keys
        what, of = ("another update", "folder") if folders else ("other results", "cell")
        raise InputError(
            f"{store} has {what} than {before.file} in {how_many(len(names), of)} "
            f"({', '.join(names[:3])}{', ...' if len(names) > 3 else ''}), as another kind of "
            "processor makes them: the archive is left as it was; pack into a new one, or unpack "
            "it into an empty store and go on there"
        )


def _other_updates(store: Path, records: Mapping[str, bytes], found: Archived) -> tuple[str, ...]:
    """Return the folders of releases of which a store and an archive have different updates."""
    return tuple(
        name
        for name, content in found.records.items()
        if name in records
        and _update_of(store / "releases" / name, records[name]) != _update_of(found.file, content)
    )


def _other_results(cells: Mapping[str, CellResults], found: Archived) -> tuple[str, ...]:
    """Return the cells, by the first digits of their keys, whose results an archive has otherwise.

    How they were measured may differ, as its time does.
    """
    return tuple(
        f"{key[:12]}..."
        for key, results in cells.items()
        if key in found.cells and parse_cell(found.cells[key]).results != results
    )


def _records(store: Path) -> dict[str, bytes]:
    """Return the records of a store by the folder of their release; `InputError` as they raise."""
    folders = [file.parent for file in sorted((store / "releases").glob(f"*/{RECORD_NAME}"))]
    return {folder.name: record_content(folder) for folder in folders}


def _update_of(place: Path, content: bytes) -> str:
    found: str = check_record(place, content)["update_sha256"]
    return found


def _files(content: Archived) -> dict[str, bytes]:
    """Return the files of an archive, by their paths in it and in a store."""
    return {
        **{f"cells/{key}.json": one for key, one in content.cells.items()},
        **{f"releases/{name}/{RECORD_NAME}": one for name, one in content.records.items()},
    }


def _compressed(content: Archived) -> bytes:
    """Return the bytes of an archive, which say nothing of whose it was and when."""
    members = _files(content)
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
                # Of a link what it leads to would be read, which need not be there.
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is None:
                    raise _damaged(file, f"{member.name} is no regular file")
                yield member.name, stream.read()
    except FileNotFoundError as error:
        raise InputError(
            f"{file} is missing: give an archive that `mergebench pack` made"
        ) from error
    except (tarfile.TarError, lzma.LZMAError) as error:
        raise _damaged(file, str(error)) from error


@contextmanager
def _reading(file: Path, what: str) -> Iterator[None]:
    """Turn what is wrong with `what` in an archive into one line that names it."""
    try:
        yield
    except OtherFormatError as error:
        raise InputError(
            f"{file} is of another version of mergebench ({what}: {error}): use it with that one"
        ) from error
    except ValueError as error:
        raise _damaged(file, f"{what}: {error}") from error


def _damaged(file: Path, reason: str) -> InputError:
    return InputError(f"{file} is no archive of measurements, or damaged ({reason}): get it again")
