"""One task per folder or file that the user names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mergebench.errors import InputError
from mergebench.suites.options import SuiteOptions
from mergebench.suites.rows import chosen_rows

_OTHER = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, kw_only=True)
class OwnRow:
    """A task of the user's own, and the folder or file that it is read from."""

    name: str
    path: Path

    @property
    def download(self) -> int:
        """Return 0: nobody publishes it."""
        return 0


def task_rows(
    names: Sequence[str] | None = None, options: SuiteOptions | None = None
) -> tuple[OwnRow, ...]:
    """Return the tasks of `options.own`, or only those of these names, in the user's order.

    Raises `InputError` for an unknown name, for a path without anything, and for two of one name.
    """
    own = None if options is None else options.own
    if own is None:
        raise ValueError("a suite of the user's own needs options that say where it is")
    rows = [OwnRow(name=_name(path), path=path) for path in own.paths]
    known: dict[str, Path] = {}
    for row in rows:
        if not row.path.exists():
            raise InputError(f"--data {row.path}: there is no such folder or file")
        if row.name in known:
            raise InputError(
                f"--data {row.path}: task {row.name} is {known[row.name]} already; rename one of "
                "them"
            )
        known[row.name] = row.path
    return chosen_rows(rows, names)


def _name(path: Path) -> str:
    """Return what a task is called: its folder or file, as one word of a list of tasks."""
    found = path.resolve()
    name = found.stem if found.is_file() else found.name
    return _OTHER.sub("-", name).strip("-.") or "data"
