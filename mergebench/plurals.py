"""Counts as texts say them."""

from __future__ import annotations


def how_many(count: int, one: str, several: str | None = None) -> str:
    """Return `count` and what there are so many of: one of it, or `several`, by default with an s.

    >>> how_many(1, "row"), how_many(1200, "row"), how_many(0, "class", "classes")
    ('1 row', '1200 rows', '0 classes')
    """
    return f"{count} {one if count == 1 else several or f'{one}s'}"
