"""Files of data sets that are known by their names: which of them are which split's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mergebench.errors import InputError
from mergebench.suites.split_names import SPLIT_ALIASES

_NAME = re.compile(
    r"(?:^|/)(?P<split>[a-z]+)(?:-\d{5}-of-\d{5}|/\d+)?\.(?P<suffix>parquet|jsonl|csv)$",
    re.IGNORECASE,
)


def split_files(
    names: Iterable[str],
    *,
    suffix: str = "parquet",
    config: str = "",
    aliases: Mapping[str, str] = SPLIT_ALIASES,
) -> dict[str, list[str]]:
    """Return those of a repository's or a folder's files that belong to a split, by split, sorted.

    `names`: paths with slashes. A file is known by its name (`train.parquet`, `Train.PARQUET`,
    `train-00000-of-00002.parquet`) or, as `0000.parquet`, by its folder's. With `config` only files
    below a folder of that name count if there are any. `aliases`: what files call a split -> split.
    """
    fitting = sorted(name for name in names if name.lower().endswith(f".{suffix}"))
    found: dict[str, list[str]] = {}
    for name in [name for name in fitting if config in name.split("/")[:-1]] or fitting:
        match = _NAME.search(name)
        split = aliases.get(match["split"].lower()) if match else None
        if split is not None:
            found.setdefault(split, []).append(name)
    return found


def files_below(folder: Path, *suffixes: str) -> list[str]:
    """Return the paths, relative to `folder` and with slashes, of its files of these suffixes.

    Suffixes may be in capitals. Folders that are called so count, for their reader to refuse.
    """
    endings = tuple(f".{suffix}" for suffix in suffixes)
    return [
        path.relative_to(folder).as_posix()
        for path in paths_below(folder)
        if path.name.lower().endswith(endings)
    ]


def paths_below(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield what is in a folder at any depth, by name; folders before what is in them.

    Links to folders are followed, but for those that lead back up. `above`: the real paths of the
    folders that lead here. Nothing is in a folder that is not there. Raises `InputError` for one
    that cannot be read.
    """
    here = os.path.realpath(folder)
    if here in above or not folder.is_dir():
        return
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in entries)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from error
    for name, is_folder in found:
        yield folder / name
        if is_folder:
            yield from paths_below(folder / name, above | {here})
