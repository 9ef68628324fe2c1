"""Parquet files as the Hugging Face hub holds them: columns `image` (bytes, path) and a label.

pyarrow is imported where it is used: no other source needs it.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from mergebench.errors import InputError
from mergebench.suites.vision8.prompts import Prompts
from mergebench.suites.vision8.source import SPLIT_ALIASES, Indices, Source, SourceSplit

_SHARD = re.compile(r"(?P<split>.+?)-(?P<number>\d{5})-of-(?P<shards>\d{5})$")
_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class ParquetFiles(SourceSplit):
    """The shards of one split; `orders` maps the labels in the files to the task's, if they differ.

    `orders` is None when the files hold the task's label numbers without names.
    """

    files: tuple[Path, ...]
    label_column: str
    orders: Mapping[object, int] | None

    @cached_property
    def count(self) -> int:
        """Return the number of rows, from the files' footers."""
        return sum(_open(file).metadata.num_rows for file in self.files)

    @cached_property
    def labels(self) -> Indices:
        """Return the labels `(count,)`; `InputError` for one that is not among the classes."""
        found: list[Any] = []
        for file in self.files:
            found += _open(file).read(columns=[self.label_column])[self.label_column].to_pylist()
        if self.orders is None:
            return np.array(found, dtype=np.int64)
        strange = next((label for label in found if label not in self.orders), None)
        if strange is not None or None in found:
            raise InputError(f"{self.files[0]}: label {strange!r} is none of its own classes")
        return np.array([self.orders[label] for label in found], dtype=np.int64)

    @property
    def identity(self) -> Sequence[object]:
        """Return names and sizes of the files."""
        return [(file.name, file.stat().st_size) for file in self.files]

    def name_of(self, index: int) -> str:
        """Return the position in the split."""
        return f"{self.files[0]}, row {index} of its split"

    def images(self, indices: Indices) -> Iterator[Image.Image]:
        """Open the images of these rows; batches without any of them are not decoded."""
        wanted = iter(indices)
        index = next(wanted, None)
        for start, batch in self._batches():
            values = None
            while index is not None and index < start + len(batch):
                values = values or batch.column(0)
                yield self._opened(values[int(index) - start].as_py(), int(index))
                index = next(wanted, None)
            if index is None:
                return

    def _batches(self) -> Iterator[tuple[int, Any]]:
        start = 0
        for file in self.files:
            for batch in _open(file).iter_batches(batch_size=_BATCH, columns=["image"]):
                yield start, batch
                start += len(batch)

    def _opened(self, value: Any, index: int) -> Image.Image:
        content = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(content, bytes):
            raise InputError(
                f"{self.name_of(index)}: `image` holds no bytes; export it with the images embedded"
            )
        try:
            return Image.open(io.BytesIO(content))
        except UnidentifiedImageError as error:
            raise InputError(f"{self.name_of(index)}: not a readable image") from error


def find_parquet(
    folder: Path,
    prompts: Prompts,
    *,
    partial: bool,
    config: str = "",
    label_columns: Sequence[str] = ("label", "labels"),
) -> Source | None:
    """Find the Parquet files of every split anywhere below `folder`; None when there are none.

    A file is known by its name (`train.parquet`, `train-00000-of-00002.parquet`) or, as `0000
    .parquet`, by its folder's. With `config` only files below a folder of that name count if there
    are any. Raises `InputError` for missing shards, missing columns and wrong classes.
    """
    found = sorted(folder.rglob("*.parquet")) if folder.is_dir() else []
    chosen = [file for file in found if config in file.relative_to(folder).parts[:-1]] or found
    by_split: dict[str, list[Path]] = {}
    for file in chosen:
        split = SPLIT_ALIASES.get(_split_of(file))
        if split is not None:
            by_split.setdefault(split, []).append(file)
    splits: dict[str, SourceSplit] = {
        split: _opened_split(files, prompts, label_columns, partial=partial)
        for split, files in by_split.items()
    }
    return Source(format="Parquet", place=str(folder), splits=splits) if splits else None


def _split_of(file: Path) -> str:
    shard = _SHARD.match(file.stem)
    if shard:
        return shard["split"]
    return file.parent.name if file.stem.isdigit() else file.stem


def _opened_split(
    files: Sequence[Path], prompts: Prompts, label_columns: Sequence[str], *, partial: bool
) -> ParquetFiles:
    _check_shards(files)
    schema = _open(files[0]).schema_arrow
    column = next((name for name in label_columns if name in schema.names), None)
    if column is None or "image" not in schema.names:
        raise InputError(
            f"{files[0]}: has the columns {', '.join(schema.names)}; expected image and "
            f"{' or '.join(label_columns)}"
        )
    orders: dict[object, int] | None = None
    names = _class_names(schema, column)
    if names is not None:
        orders = dict(enumerate(prompts.order_of(names, str(files[0]), partial=partial)))
    elif str(schema.field(column).type) in ("string", "large_string"):
        texts = {text for file in files for text in _strings(file, column)}
        spelled = sorted(texts)
        numbers = prompts.order_of(spelled, str(files[0]), partial=partial)
        orders = dict(zip(spelled, numbers, strict=True))
    return ParquetFiles(files=tuple(files), label_column=column, orders=orders)


def _check_shards(files: Sequence[Path]) -> None:
    shards = [_SHARD.match(file.stem) for file in files]
    known = [(int(shard["number"]), int(shard["shards"])) for shard in shards if shard]
    if not known:
        return
    count = known[0][1]
    if [number for number, _ in known] != list(range(count)) or len(known) != len(files):
        raise InputError(
            f"{files[0].parent}: has {len(files)} of the {count} files of {files[0].name}'s split; "
            "fetch them again, and keep one copy"
        )


def _class_names(schema: Any, column: str) -> list[str] | None:
    """Return the names that the library `datasets` notes in the file's metadata, if it has any."""
    noted = (schema.metadata or {}).get(b"huggingface")
    features = json.loads(noted).get("info", {}).get("features", {}) if noted else {}
    names = features.get(column, {}).get("names")
    return None if names is None else [str(name) for name in names]


def _strings(file: Path, column: str) -> list[str]:
    values: list[str] = _open(file).read(columns=[column])[column].unique().to_pylist()
    return values


def _open(file: Path) -> Any:
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(file)
    except (ArrowInvalid, OSError) as error:
        raise InputError(f"{file}: not a complete Parquet file; fetch it again") from error
