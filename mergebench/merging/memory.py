"""What merges remember of single updates, which several sets of updates share."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from mergebench.contracts import Room


class UpdateMemory:
    """Values that depend on one update alone, for all the sets that it is merged in.

    Of the sets of updates that a table merges, one for each target, all but one update are the
    same; what is known of them need not be computed again. `room`: for the large ones.
    """

    def __init__(self) -> None:
        self.room = Room()
        self._values: defaultdict[tuple[object, ...], dict[str, Any]] = defaultdict(dict)

    def of(self, *identity: object) -> dict[str, Any]:
        """Return the values by key of one update; `identity` is all that they depend on."""
        return self._values[identity]
