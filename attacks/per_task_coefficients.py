"""Every update has a coefficient of its own, which are searched one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from mergebench.contracts import InformedMerger, Suspected
from mergebench.errors import InputError, check_range
from mergebench.updates import MergePath

COEFFICIENTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.2)


@dataclass(frozen=True, kw_only=True)
class PerTaskCoefficients(InformedMerger):
    """`W0 + f(a_1 τ_1, ..., a_T τ_T)`, coordinate ascent on `a`; the sum `Σ a_i τ_i` for TA.

    Each search moves one coefficient over the grid and leaves the best so far, first that of `τ_p`,
    then those of the others in their order, `rounds` times. `coefficients`: in that order, what
    they are at present, 1 for `τ_p` and 0.3 for another where they are not given; `value`
    stands in place of the one at `moving`, and is that one where it is not given.
    """

    name: ClassVar[str] = "per_task_coefficients"
    paper: ClassVar[str] = "mergebench: adaptive attack on Trap² (a coefficient per update)"
    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"value": COEFFICIENTS}
    alphas: ClassVar[tuple[float, ...]] = (1.0,)

    value: float = 1.0
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

    def check_count(self, count: int) -> None:
        """Check that there are no more coefficients than updates."""
        super().check_count(count)
        if self.moving >= count or len(self.coefficients) > count:
            raise InputError(
                f"attack {self.name}: {count} updates have so many coefficients, and "
                f"coefficients has {len(self.coefficients)} numbers, moving is {self.moving}"
            )

    def turn(self, number: int, count: int) -> Mapping[str, Any] | None:
        """Return the coefficients so far and which of them moves now."""
        if number >= self.rounds * count:
            return None
        now, moving = self._now(count), number % count
        return {"coefficients": now, "moving": moving, "value": now[moving]}

    def path(self, given: Suspected) -> MergePath:
        """Return the merge of the updates, each multiplied by its coefficient."""
        own, *others = self._now(len(given.updates))
        factors = (*others[: given.place], own, *others[given.place :])
        scaled = [
            update if factor == 1 else update.scaled(factor)
            for update, factor in zip(given.updates, factors, strict=True)
        ]
        return MergePath(direction=given.merged(scaled))

    def _now(self, count: int) -> tuple[float, ...]:
        self.check_count(count)
        start = (1.0, *[0.3] * (count - 1))
        known = (*self.coefficients, *start[len(self.coefficients) :])
        return (*known[: self.moving], self.value, *known[self.moving + 1 :])
