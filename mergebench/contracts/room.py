"""What is kept of large values between merges, and what makes way for what."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakSet

Value = TypeVar("Value")

KEPT_BYTES = 1 << 30
"""What one set of updates keeps of large values; those beyond it are computed at every merge."""


class Kept(Generic[Value]):
    """The place of one value, which is None while it is not kept.

    What is kept in it takes room for as long as somebody holds the place.
    """

    def __init__(self) -> None:
        self.value: Value | None = None
        self.size = 0
        self.asked = 0


class Room:
    """Keeps values of `size` bytes in all, those that the search which runs now asks for.

    Where room is short, a value that is asked for again drives out those that nobody asked for in
    between, the one of longest ago first. So a search soon has the room of those before it; where
    even that is too little, it keeps the same part of its values at all of its points; and what is
    asked for once drives nothing out.
    """

    def __init__(self, size: int = KEPT_BYTES) -> None:
        self._size = size
        self._filled: WeakSet[Kept[Any]] = WeakSet()
        self._asks = itertools.count(1)

    @property
    def taken(self) -> int:
        """The bytes that are kept."""
        return sum(kept.size for kept in self._filled)

    def once(
        self,
        kept: Kept[Value],
        compute: Callable[[], Value],
        size: Callable[[Value], int | None],
    ) -> Value:
        """Return `compute()`, kept for the next call if there is room.

        `size`: the bytes of a value; 0 for a small one, None for one that is not worth keeping.
        """
        last, kept.asked = kept.asked, next(self._asks)
        if kept.value is not None:
            return kept.value
        value = compute()
        needed = size(value)
        if needed is not None and self._has(needed, last):
            kept.value, kept.size = value, needed
            self._filled.add(kept)
        return value

    def _has(self, needed: int, since: int) -> bool:
        """Return whether there is room, if need be by letting go of values not asked for `since`.

        None of them goes if all of them are not enough.
        """
        left = self._size - self.taken
        idle = [kept for kept in self._filled if kept.size and kept.asked < since]
        if needed > left + sum(kept.size for kept in idle):
            return False
        for kept in sorted(idle, key=lambda one: one.asked):
            if needed <= left:
                break
            left += kept.size
            kept.value, kept.size = None, 0
            self._filled.discard(kept)
        return True
