"""How long a run may take, and how long each part of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

Clock = Callable[[], float]


class Deadline:
    """Until when one part may go on; what has begun is not cut off by it."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, never below 0."""
        return max(0.0, self._end - self._clock())

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.left == 0


class Budget:
    """Seconds for parts that come one after the other, each with its share of them.

    `shares`: by part, in their order. What a part leaves over goes to those after it, in proportion
    to their shares.
    """

    def __init__(
        self, seconds: float, shares: Mapping[str, float], clock: Clock = time.monotonic
    ) -> None:
        self._shares = dict(shares)
        self._clock = clock
        self._whole = Deadline(seconds, clock)

    def begin(self, part: str) -> Deadline:
        """Return the deadline of a part that begins now; it may begin once."""
        to_come = sum(self._shares.values())
        share = self._shares.pop(part)
        return Deadline(self._whole.left * share / to_come, self._clock)
