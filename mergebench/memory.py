"""What merges remember: of one set of updates, and of single updates that several sets share."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

KEPT_BYTES = 1 << 30
"""What one set of updates keeps of large tensors; those beyond it are computed at every merge."""


class Room:
    """How many bytes large tensors may still take."""

    def __init__(self, size: int = KEPT_BYTES) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        """Take `size` bytes and return True, or return False where they are not there."""
        if size > self._left:
            return False
        self._left -= size
        return True


class UpdateMemory:
    """Small values that depend on one update alone, for all the sets that it is merged in.

    Of the sets of updates that a table merges, one for each target, all but one update are the
    same; what is known of them need not be computed again.
    """

    def __init__(self) -> None:
        self._values: defaultdict[tuple[object, ...], dict[str, Any]] = defaultdict(dict)

    def of(self, *identity: object) -> dict[str, Any]:
        """Return the values by key of one update; `identity` is all that they depend on."""
        return self._values[identity]
