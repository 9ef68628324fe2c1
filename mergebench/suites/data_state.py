"""What there is of a task's data set on this machine, whatever the suite."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from mergebench.missing import MissingItem
from mergebench.suites.options import SuiteOptions
from mergebench.suites.rows import DataRow

NOT_FOUND = "not found"


@dataclass(frozen=True, kw_only=True)
class DataState(ABC):
    """What was found of one task of `suite`, without the network.

    `problem` says why the task cannot be used; it is empty when it can. `fetching` is the command
    that fetches tasks of the suite. `notes`: what `data check` says below its table.
    """

    suite: ClassVar[str]
    fetching: ClassVar[str]

    row: DataRow
    options: SuiteOptions
    problem: str
    notes: Sequence[str] = ()

    @property
    def absent(self) -> bool:
        """Whether there is nothing of the task, rather than something that cannot be used."""
        return self.problem == NOT_FOUND

    @property
    def missing(self) -> MissingItem | None:
        """Return what has to be fetched, if anything has to."""
        if not self.problem:
            return None
        return MissingItem(
            name=self.row.name,
            reason=self.problem,
            size=self.row.download,
            command=f"{self.fetching} {self.row.name}",
            folder=self.options.data_root / self.row.name,
        )

    @property
    @abstractmethod
    def facts(self) -> Mapping[str, str]:
        """Return what a table of the suite's data sets shows of this one, by heading."""

    @property
    @abstractmethod
    def outcome(self) -> str:
        """Return where the data set was found, or its problem."""

    @abstractmethod
    def verify(self) -> None:
        """Compare what is kept of the data set with its hashes; `InputError` for what differs."""


def sizes_text(sizes: Iterable[int]) -> str:
    """Return the sizes of splits as a table shows them.

    >>> sizes_text([21, 3, 12])
    '21/3/12'
    """
    return "/".join(str(size) for size in sizes) or "-"
