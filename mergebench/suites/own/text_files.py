"""Files of labelled texts, one per split or all in one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mergebench.errors import InputError
from mergebench.suites.own.classes import Label, in_order
from mergebench.suites.parquet_files import check_shards
from mergebench.suites.split_files import files_below, split_files
from mergebench.suites.split_names import SPLIT_ALIASES, WHOLE
from mergebench.suites.texts import (
    Record,
    Texts,
    noted_names,
    read_csv,
    read_json_lines,
    read_parquet,
)

FORMATS: Mapping[str, tuple[str, Callable[[Path], Iterator[Record]]]] = {
    "jsonl": ("JSON lines", read_json_lines),
    "csv": ("CSV", read_csv),
    "parquet": ("Parquet", read_parquet),
}
"""What a file's suffix says: what captions call it, and who reads it."""

_SPLITS: Mapping[str, str] = {**SPLIT_ALIASES, "dev": "val"}
_ALIASES = {**_SPLITS, WHOLE: WHOLE}


@dataclass(frozen=True, kw_only=True)
class TextFiles:
    """What was found: labels in the order of their numbers, and the texts by split.

    `files` has some of the keys `train`, `val` and `test`, or only `all`. `names`: those that the
    files note for labels that are numbers. `format`: what captions call the files.
    """

    labels: list[Label]
    files: Mapping[str, Texts]
    names: Mapping[str, str]
    format: str

    @property
    def sizes(self) -> Mapping[str, int]:
        """Return the number of texts by split."""
        return {name: len(split) for name, split in self.files.items()}


def files_of(path: Path) -> dict[str, list[Path]]:
    """Return the files of texts in a folder, or the one that is named, by split; none if none.

    Files of other names are one pool, `all`. Raises `InputError` for a split that is there twice,
    for other files beside those of splits, and for a pool with a split's name in a file's.
    """
    if path.is_file():
        return {WHOLE: [path]} if suffix_of(path) in FORMATS else {}
    found: dict[str, list[Path]] = {}
    every = [name for name in files_below(path, *FORMATS) if not _is_hidden(name)]
    for suffix in FORMATS:
        for split, names in split_files(every, suffix=suffix, aliases=_ALIASES).items():
            if split in found:
                raise InputError(f"{path}: has {split} as {suffix} too; keep one of the files")
            found[split] = [path / name for name in names]
    named = {str(file.relative_to(path).as_posix()) for files in found.values() for file in files}
    others = [name for name in every if name not in named]
    if found and others:
        raise InputError(
            f"{path}: has {min(others)!r} beside {min(named)!r}; expected train, val and test, or "
            "files that are no splits"
        )
    _check_pool(path, others)
    return found or ({WHOLE: sorted(path / name for name in others)} if others else {})


def read_text_files(path: Path, files: Mapping[str, Sequence[Path]]) -> TextFiles:
    """Read the texts of these files of `path`; `InputError` for what is none, and for one class."""
    records = {split: [*_records(split, own)] for split, own in files.items()}
    labels = in_order((one.label for own in records.values() for one in own), str(path))
    numbers = {str(label).strip(): number for number, label in enumerate(labels)}
    texts = {
        split: Texts(
            texts=tuple(one.text for one in own),
            labels=tuple(numbers[str(one.label).strip()] for one in own),
        )
        for split, own in records.items()
    }
    every = [file for own in files.values() for file in own]
    formats = dict.fromkeys(FORMATS[suffix_of(file)][0] for file in every)
    return TextFiles(
        labels=labels, files=texts, names=_noted(path, every), format=" and ".join(formats)
    )


def suffix_of(path: Path) -> str:
    """Return what is behind the last point of a file's name, in small letters."""
    return path.suffix.lower().removeprefix(".")


def _check_pool(folder: Path, names: Sequence[str]) -> None:
    """Raise `InputError` for a file of a pool that reads as a split: it would be split anew."""
    for name in sorted(names):
        words = re.split(r"[\W\d_]+", name.rpartition(".")[0].lower())
        word = next((word for word in words if word in _SPLITS), None)
        if word is not None:
            suffix = suffix_of(Path(name))
            raise InputError(
                f"{folder}: {name!r} reads as {word} data, but would be split anew with the "
                f"others; rename it to {_SPLITS[word]}.{suffix}, or, if it is no split, so that "
                f"its path does not say {word!r}"
            )


def _records(split: str, files: Sequence[Path]) -> Iterator[Record]:
    if suffix_of(files[0]) == "parquet":
        check_shards(files)
    elif split != WHOLE and len(files) > 1:
        raise InputError(
            f"{files[0]}: is {split}, and {files[1].name} is too; join them into one file, or keep "
            "one if they are copies"
        )
    for file in files:
        yield from FORMATS[suffix_of(file)][1](file)


def _noted(path: Path, files: Sequence[Path]) -> dict[str, str]:
    """Return the names that Parquet files note for their numbers; `InputError` if they differ."""
    noted = [noted_names(file) for file in files if suffix_of(file) == "parquet"]
    found = [names for names in noted if names is not None]
    if any(names != found[0] for names in found):
        raise InputError(f"{path}: its files note other names for the same numbers; correct them")
    return {str(number): name for number, name in enumerate(found[0])} if found else {}


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split(os.sep))
