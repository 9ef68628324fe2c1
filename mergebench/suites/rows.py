"""Rows that describe the tasks of a suite, and the choice among them by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from mergebench.errors import InputError, unknown_name


class DataRow(Protocol):
    """What every row has: the task's name, and about how many bytes its data set downloads."""

    @property
    def name(self) -> str:
        """Return the name of the task."""

    @property
    def download(self) -> int:
        """Return the bytes to download, about."""


Row = TypeVar("Row", bound=DataRow)


def check_tasks(names: Sequence[str], known: Sequence[str]) -> None:
    """Raise `InputError`, with the nearest of the `known` names, for one that is not among them."""
    for name in names:
        if name not in known:
            raise InputError(unknown_name("task", name, known))


def chosen_rows(rows: Sequence[Row], names: Sequence[str] | None) -> tuple[Row, ...]:
    """Return the rows of these names, or all, in the suite's order; `InputError` if unknown."""
    check_tasks(names or (), [row.name for row in rows])
    return tuple(row for row in rows if names is None or row.name in names)
