"""Files of data sets that are known by their names: which of them are which split's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

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
        (Path(inside) / name).relative_to(folder).as_posix()
        for inside, folders, files in os.walk(folder)
        for name in (*folders, *files)
        if name.lower().endswith(endings)
    ]
