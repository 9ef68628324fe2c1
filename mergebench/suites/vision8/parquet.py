"""Parquet files as the Hugging Face hub holds them: columns `image` (bytes, path) and a label.

pyarrow is imported where it is used: no other source needs it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mergebench.errors import InputError
from mergebench.suites.images import Indices, Source, SourceSplit, file_state, opened
from mergebench.suites.parquet_files import check_shards, open_parquet, readable
from mergebench.suites.prompts import Prompts
from mergebench.suites.split_files import files_below, split_files
from mergebench.suites.vision8.parquet_labels import order_of, read_labels

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
        return sum(self._rows)

    @cached_property
    def labels(self) -> Indices:
        """Return the labels `(count,)`; `InputError` for one that is not among the classes."""
        return read_labels(self.files, self.label_column, self.orders)

    @property
    def identity(self) -> Sequence[object]:
        """Return names and states of the files."""
        return [(file.name, *file_state(file)) for file in self.files]

    def name_of(self, index: int) -> str:
        """Return the file and the row in it, from 0."""
        shard = int(np.searchsorted(np.cumsum(self._rows), index, side="right"))
        return f"{self.files[shard]}, row {index - sum(self._rows[:shard])}"

    def images(self, indices: Indices) -> Iterator[Image.Image]:
        """Open the images of these rows; batches without any of them are not decoded.

        Raises `ImageError` naming a row that is no image, `InputError` a file that is damaged.
        """
        wanted = iter(indices)
        index = next(wanted, None)
        for start, batch in self._batches(first=index or 0):
            values = None
            while index is not None and index < start + len(batch):
                values = values or batch.column(0)
                yield self._opened(values[int(index) - start].as_py(), int(index))
                index = next(wanted, None)
            if index is None:
                return

    @cached_property
    def _rows(self) -> Sequence[int]:
        return [open_parquet(file).metadata.num_rows for file in self.files]

    def _batches(self, *, first: int) -> Iterator[tuple[int, Any]]:
        """Yield batches with the number of their first row, from the row group with `first` on."""
        start = 0
        for file in self.files:
            shard = open_parquet(file)
            for group in range(shard.num_row_groups):
                if start + shard.metadata.row_group(group).num_rows <= first:
                    start += shard.metadata.row_group(group).num_rows
                    continue
                with readable(file):
                    for batch in shard.iter_batches(
                        batch_size=_BATCH, row_groups=[group], columns=["image"]
                    ):
                        yield start, batch
                        start += len(batch)

    def _opened(self, value: Any, index: int) -> Image.Image:
        content = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(content, bytes):
            raise InputError(
                f"{self.name_of(index)}: `image` holds no bytes; export it with the images embedded"
            )
        return opened(io.BytesIO(content), self.name_of(index))


def find_parquet(
    folder: Path,
    prompts: Prompts,
    *,
    partial: bool,
    config: str = "",
    label_columns: Sequence[str] = ("label", "labels"),
) -> Source | None:
    """Find the Parquet files of every split anywhere below `folder`; None when there are none.

    Files and `config` are as in `split_files`. Raises `InputError` for missing shards, missing
    columns and wrong classes.
    """
    by_split = split_files(files_below(folder, "parquet"), config=config)
    splits: dict[str, SourceSplit] = {
        split: _opened_split(
            [folder / name for name in names], prompts, label_columns, partial=partial
        )
        for split, names in by_split.items()
    }
    return Source(format="Parquet", place=str(folder), splits=splits) if splits else None


def _opened_split(
    files: Sequence[Path], prompts: Prompts, label_columns: Sequence[str], *, partial: bool
) -> ParquetFiles:
    check_shards(files)
    columns = [open_parquet(file).schema_arrow.names for file in files]
    column = next((name for name in label_columns if name in columns[0]), label_columns[0])
    for file, names in zip(files, columns, strict=True):
        if not {column, "image"} <= {*names}:
            raise InputError(
                f"{file}: has the columns {', '.join(names)}; expected image and "
                f"{' or '.join(label_columns)}"
            )
    orders = order_of(files, column, prompts, partial=partial)
    return ParquetFiles(files=tuple(files), label_column=column, orders=orders)
