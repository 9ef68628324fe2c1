"""A coefficient per update, searched one after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from mergebench.contracts import InformedMerger, is_edge
from mergebench.errors import InputError, check_range

COEFFICIENTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.2)
OTHERS = 0.3
"""What the coefficient of an update that is not suspected is ahead of all searches."""


@dataclass(frozen=True, kw_only=True)
class CoordinateAscent(InformedMerger, ABC):
    """An attack whose updates have a coefficient each; see `start` for which and in what order.

    Each search moves one coefficient over the grid and leaves the best so far, `rounds` times all
    of them. `coefficients`: what they are at present, those of `start` where they are not given;
    `value` stands in place of the one at `moving`, and is that one where it is not given.
    """

    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"value": COEFFICIENTS}
    alphas: ClassVar[tuple[float, ...]] = (1.0,)
    multipliers: ClassVar[tuple[str, ...]] = ("value",)

    value: float = OTHERS
    moving: int = 0
    coefficients: tuple[float, ...] = ()
    rounds: int = 2

    @classmethod
    def configured(cls, **options: Any) -> Self:
        """Return the attack; without a `value`, with the one that `coefficients` have."""
        given = options.get("coefficients", ())
        moving = options.get("moving", cls.moving)
        if "value" not in options and 0 <= moving < len(given):
            options["value"] = given[moving]
        return super().configured(**options)

    def __post_init__(self) -> None:
        """Check the hyper-parameters."""
        super().__post_init__()
        check_range(f"attack {self.name}: moving", self.moving, 0, 1_000_000)
        check_range(f"attack {self.name}: rounds", self.rounds, 1, 1000)

    @abstractmethod
    def start(self, count: int) -> tuple[float, ...]:
        """Return the coefficients ahead of all searches, for `count` updates, in their order."""

    def check_count(self, count: int) -> None:
        """Check that no more coefficients are given than there are."""
        super().check_count(count)
        there = len(self.start(count))
        if self.moving >= there or len(self.coefficients) > there:
            raise InputError(
                f"attack {self.name}: {count} updates have {there} coefficients, and "
                f"coefficients has {len(self.coefficients)} numbers, moving is {self.moving}"
            )

    def turn(self, number: int, count: int) -> Mapping[str, Any] | None:
        """Return the coefficients so far and which of them moves now."""
        now = self.now(count)
        if number >= self.rounds * len(now):
            return None
        moving = number % len(now)
        return {"coefficients": now, "moving": moving, "value": now[moving]}

    def at_edge(self) -> Mapping[str, float]:
        """Return which coefficients have the smallest or largest value, by their numbers."""
        known = enumerate(self.coefficients)
        now = {number: own for number, own in known if number != self.moving}
        every = {**now, self.moving: self.value}
        return {
            f"coefficient {number}": own
            for number, own in sorted(every.items())
            if is_edge(own, replace(self, moving=number).visited["value"])
        }

    def now(self, count: int) -> tuple[float, ...]:
        """Return the coefficients, with `value` in its place."""
        self.check_count(count)
        known = (*self.coefficients, *self.start(count)[len(self.coefficients) :])
        return (*known[: self.moving], self.value, *known[self.moving + 1 :])
