"""Labels of Parquet files: whole numbers, with or without names of classes, or the names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mergebench.errors import InputError
from mergebench.suites.images import Indices
from mergebench.suites.parquet_files import class_names, open_parquet, readable
from mergebench.suites.prompts import Prompts


def order_of(
    files: Sequence[Path], column: str, prompts: Prompts, *, partial: bool
) -> dict[object, int] | None:
    """Return what maps the labels in a split's files to the task's; None for numbers without names.

    Raises `InputError` naming a file whose labels are neither whole numbers nor texts, or are
    others than those of the first file, and for wrong classes.
    """
    noted = [class_names(file, open_parquet(file).schema_arrow, column) for file in files]
    texts = [_are_texts(file, column) for file in files]
    for file, names, text in zip(files, noted, texts, strict=True):
        if (names, text) != (noted[0], texts[0]):
            raise InputError(
                f"{file}: {column!r} has other class names than in {files[0].name}, or none; "
                "fetch both files again"
            )
    where = str(files[0])
    if texts[0]:
        spelled = sorted({label for file in files for label in _values(file, column)})
        return dict(zip(spelled, prompts.order_of(spelled, where, partial=partial), strict=True))
    if noted[0] is None:
        return None
    return dict(enumerate(prompts.order_of(noted[0], where, partial=partial)))


def read_labels(files: Sequence[Path], column: str, orders: Mapping[object, int] | None) -> Indices:
    """Return the labels `(count,)` of a split's files, mapped by `orders` if it is not None.

    Raises `InputError` naming the file for one that cannot be read, the first row without a label
    and a label that is not among `orders`.
    """
    found: list[Indices] = []
    for file in files:
        values = _values(file, column)
        if orders is not None:
            strange = next((label for label in values if label not in orders), None)
            if strange is not None:
                raise InputError(
                    f"{file}: label {strange!r} is none of its own classes; fetch it again"
                )
            values = [orders[label] for label in values]
        found.append(np.array(values, dtype=np.int64))
    return np.concatenate(found)


def _are_texts(file: Path, column: str) -> bool:
    """Whether labels are texts; `InputError` if they are neither texts nor whole numbers."""
    from pyarrow import types

    kind = found = open_parquet(file).schema_arrow.field(column).type
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return True
    if not types.is_integer(kind):
        raise InputError(
            f"{file}: {column!r} is of the type {found}; expected whole numbers or names of "
            "classes; export it again"
        )
    return False


def _values(file: Path, column: str) -> list[Any]:
    """Return the labels in a file, texts or integers of 64 bits; `InputError` where one lacks."""
    from pyarrow import int64

    texts = _are_texts(file, column)
    with readable(file):
        read = open_parquet(file).read(columns=[column])[column]
        values: list[Any] = (read if texts else read.cast(int64())).to_pylist()
    if None in values:
        raise InputError(
            f"{file}, row {values.index(None)}: {column!r} is empty; export it with all labels"
        )
    return values
