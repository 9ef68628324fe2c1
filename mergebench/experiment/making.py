"""What is found or else made, by one process at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from mergebench.files import Claims

FoundT = TypeVar("FoundT")


class NotMeasuredError(Exception):
    """What was asked for is not in the store, while nothing may be measured."""


class Making:
    """Makes what a store lacks. `made` counts; `claims` say which process is at what.

    `claims`: the folder that they are kept in.
    """

    def __init__(self, claims: Path) -> None:
        self.made = 0
        self.claims = Claims(claims)
        self.claims.remove_void()
        self._allowed = True

    @contextmanager
    def recalling_only(self) -> Iterator[None]:
        """Raise `NotMeasuredError` inside the context for what is not there."""
        self._allowed = False
        try:
            yield
        finally:
            self._allowed = True

    def found_or_made(
        self, name: str, find: Callable[[], FoundT | None], make: Callable[[], FoundT]
    ) -> FoundT:
        """Return what `find` finds, or what `make` makes if that is nothing.

        `name`: of the piece of work, as a file may be named. Raises `ClaimedError` if another
        process is at it.
        """
        found = find()
        if found is not None:
            return found
        if not self._allowed:
            raise NotMeasuredError
        with self.claims.claimed(name):
            found = find()  # another process may have made it just before
            if found is None:
                self.made += 1
                found = make()
        return found
