"""Finds the texts of a task: local copies, then the hub's cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mergebench.errors import InputError
from mergebench.suites.hub_client import snapshots, stated
from mergebench.suites.options import SuiteOptions
from mergebench.suites.parquet_files import check_shards
from mergebench.suites.split_files import files_below, paths_below, split_files
from mergebench.suites.split_names import SPLIT_ALIASES, WHOLE
from mergebench.suites.text8.completeness import check_sizes
from mergebench.suites.text8.labels import LabelReader
from mergebench.suites.text8.source import Source, SourceFile
from mergebench.suites.text8.tasks import TextRow
from mergebench.suites.texts import noted_names, read_json_lines, read_parquet

#: The formats of files and how captions call them, in the order in which they are looked for.
FORMATS: Mapping[str, str] = {"jsonl": "JSON lines", "parquet": "Parquet"}
_ALIASES = {**SPLIT_ALIASES, "dev": "val", WHOLE: WHOLE}


def find_source(row: TextRow, options: SuiteOptions) -> Source | None:
    """Return the first source that has a task's texts, without the network; None without any.

    In order: JSON lines, then Parquet files in `<data_root>/<task>`; the snapshots of the hub's
    cache, of which those that cannot be used are passed over if another one can. Raises
    `InputError` for a source that is damaged, has other classes or (unless `partial`) other sizes,
    and for local copies whose splits are of two formats.
    """
    folder = options.data_root / row.name
    _check_one_format(folder)
    local = _read(row, folder, "", options)
    if local is not None:
        return local
    refused = []
    for source in _in_hub_cache(row, options):
        if isinstance(source, Source):
            return source
        refused.append(source)
    if refused:
        raise refused[0]
    return None


def chosen_files(names: Sequence[str], config: str) -> tuple[str, Mapping[str, list[str]]]:
    """Return the format of a data set's files, and which of `names` are which split's."""
    for suffix in FORMATS:
        found = split_files(names, suffix=suffix, config=config, aliases=_ALIASES)
        if found:
            return suffix, found
    return "", {}


def files_there(folder: Path) -> list[str]:
    """Return the paths, relative to `folder`, of its files of any kind but hidden ones, sorted."""
    found = (path.relative_to(folder) for path in paths_below(folder) if not path.is_dir())
    return sorted(path.as_posix() for path in found if not any(p[0] == "." for p in path.parts))


def _check_one_format(folder: Path) -> None:
    """Raise `InputError` if a format that is not read has a split that the one that is read lacks.

    That one alone may be a part of the data set.
    """
    names = files_below(folder, *FORMATS)
    chosen = chosen_files(names, "")[1]
    for suffix in FORMATS:
        for split, other in split_files(names, suffix=suffix, aliases=_ALIASES).items():
            if split not in chosen:
                first = min(name for own in chosen.values() for name in own)
                raise InputError(
                    f"{folder}: has {first} and {other[0]}, splits of two formats; keep one format"
                )


def _in_hub_cache(row: TextRow, options: SuiteOptions) -> Iterator[Source | InputError]:
    for copy in row.hub:
        for folder in snapshots(copy):
            try:
                found = _read(row, folder, copy.config, options)
            except InputError as error:
                yield error
                continue
            if found is not None:
                format = f"{found.format} of {stated(copy, folder)}"
                yield Source(format=format, place=found.place, files=found.files)


def _read(row: TextRow, folder: Path, config: str, options: SuiteOptions) -> Source | None:
    suffix, chosen = chosen_files([*files_below(folder, *FORMATS)], config)
    if not chosen:
        return None
    files = {
        name: _file(row, [folder / path for path in paths], suffix, partial=options.partial)
        for name, paths in chosen.items()
    }
    source = Source(format=FORMATS[suffix], place=str(folder), files=files)
    check_sizes(row, source, partial=options.partial)
    return source


def _file(row: TextRow, files: Sequence[Path], suffix: str, *, partial: bool) -> SourceFile:
    if suffix == "jsonl":
        if len(files) > 1:
            raise InputError(
                f"{files[0]}: is of the same split as {files[1].name}; join them into one file, or "
                "keep one if they are copies"
            )
        names = None
        records = [*read_json_lines(files[0])]
    else:
        check_shards(files)
        names = _names_of(files)
        records = [record for file in files for record in read_parquet(file)]
    reader = LabelReader(row=row, file=files[0], names=names, partial=partial)
    return reader.labelled(records)


def _names_of(shards: Sequence[Path]) -> list[str] | None:
    """Return the names that a split's files note for their labels; `InputError` if they differ."""
    noted = [noted_names(file) for file in shards]
    for file, names in zip(shards, noted, strict=True):
        if names != noted[0]:
            raise InputError(
                f"{file}: has other class names than {shards[0].name}, or none; keep one copy"
            )
    return noted[0]
