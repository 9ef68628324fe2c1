"""Parquet files as the Hugging Face hub holds them: a column `text` and one of the label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mergebench.suites.parquet_files import class_names, open_parquet, readable
from mergebench.suites.texts.records import TEXT_COLUMN, Place, Record, checked, label_column

_BATCH = 4096


def read_parquet(file: Path) -> Iterator[Record]:
    """Yield the records of a file; labels are what the file holds.

    Raises `InputError` for a damaged file, for columns that are missing or there twice, for what is
    no UTF-8, and naming the row for a wrong text.
    """
    column = label_column(open_parquet(file).schema_arrow.names, file)
    for number, (text, label) in enumerate(_pairs(file, column), 1):
        yield checked(Place(file=file, word="row", number=number), text, label)


def noted_names(file: Path) -> list[str] | None:
    """Return the names of the classes by number that a file's metadata have, if any."""
    schema = open_parquet(file).schema_arrow
    return class_names(file, schema, label_column(schema.names, file))


def _pairs(file: Path, column: str) -> Iterator[tuple[Any, Any]]:
    with readable(file):
        for batch in open_parquet(file).iter_batches(_BATCH, columns=[TEXT_COLUMN, column]):
            texts, labels = (batch.column(name).to_pylist() for name in (TEXT_COLUMN, column))
            yield from zip(texts, labels, strict=True)
