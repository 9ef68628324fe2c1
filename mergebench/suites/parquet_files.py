"""What the Hugging Face hub's Parquet files have in common: shards, and names of classes.

pyarrow is imported where it is used: no other source needs it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mergebench.errors import InputError

_SHARD = re.compile(r".+?-(?P<number>\d{5})-of-(?P<shards>\d{5})$")


def open_parquet(file: Path) -> Any:
    """Open a file as pyarrow's `ParquetFile`; `InputError` when it is none, or not complete."""
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import ParquetFile

    try:
        if not file.is_file():  # opening a pipe would wait for ever
            raise OSError("not a regular file")
        return ParquetFile(file)
    except (ArrowInvalid, OSError) as error:
        raise InputError(f"{file}: not a complete Parquet file; fetch it again") from error


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """Turn what pyarrow finds wrong with the contents of a file into one line that names it."""
    from pyarrow import ArrowException

    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: has a text that is not UTF-8; convert it") from error
    except (ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{file}: cannot be read as Parquet ({reason}); fetch it again") from error


def check_shards(files: Sequence[Path]) -> None:
    """Raise `InputError` unless these sorted files are all shards of one split, each once."""
    matches = [(file, _SHARD.match(file.stem)) for file in files]
    known = [(file, int(one["number"]), int(one["shards"])) for file, one in matches if one]
    if not known:
        return
    first, _, count = known[0]
    other = next((file for file, _, shards in known if shards != count), None)
    if other is not None:
        raise InputError(
            f"{first.parent}: {first.name} and {other.name} are parts of different copies; "
            "keep one copy"
        )
    if [number for _, number, _ in known] != list(range(count)) or len(known) != len(files):
        raise InputError(
            f"{files[0].parent}: has {len(files)} of the {count} files of {files[0].name}'s split; "
            "fetch them again, and keep one copy"
        )


def class_names(file: Path, schema: Any, column: str) -> list[str] | None:
    """Return the names that the library `datasets` notes in the file's metadata, if it has any.

    Raises `InputError` for metadata that are not of its form.
    """
    noted = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(noted).get("info", {}).get("features", {}) if noted else {}
        names = features.get(column, {}).get("names")
        return None if names is None else [str(name) for name in names]
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"{file}: the metadata `huggingface` are not those of `datasets`; fetch it again"
        ) from error
